/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of an MTD: registration, handles, operations, partitions that come and
 * go, unregistering, and registration of the next device. See README.md.
 *
 * Memory is sequentially consistent here; what the processor may reorder is the
 * business of the litmus tests.
 */

#ifndef DEVICES
#define DEVICES 2	/* registrations, one after the other, each with a new provider */
#endif
#ifndef USERS
#define USERS 1		/* open, read, close, for ever */
#endif
#ifndef PARTERS
#define PARTERS 1	/* users who may also add and delete partitions */
#endif
#ifndef BLOCK
#define BLOCK 1		/* 1: with a translation layer, told of devices by a notifier */
#endif
#ifndef SLEEP
#define SLEEP 0		/* 1: with suspend and resume of the system */
#endif

/* Handles are numbered: root and partition of each device. */
#define OBJECTS		(2 * DEVICES)
#define ROOT(dev)	(2 * (dev))
#define PART(dev)	(2 * (dev) + 1)
#define DEV(handle)	((handle) / 2)
#define IS_PART(handle)	((handle) % 2)
#define NONE		255

/* How a user has a handle. */
#define COUNTED		1	/* get_mtd_device(), open(): the driver is held, too */
#define FILE		2	/* a file in sysfs that is read: nothing is held */
#define CELL		3	/* of NVMEM: pins the device, and not the driver */

/*
 * The properties. None of these is ever set: an assertion that fails prints its
 * condition, and so the name.
 */
hidden byte core_memory_lives;	/* nobody touches a handle or a root that was freed */
hidden byte provider_lives;	/* nobody touches a provider that its driver freed */
hidden byte none_runs;		/* no callback runs or starts when unregister has returned */
hidden byte driver_is_held;	/* while a callback runs for a handle that was counted */
hidden byte given_back;		/* all of _get_device and module, before unregister returns */
hidden byte given_once;		/* neither is given back without having been taken */
hidden byte freed_once;		/* and only when nobody holds it or is inside */
hidden byte refused;		/* what is gone stays gone: deleted or unregistered */
hidden byte not_the_new;	/* an operation reaches the device that was opened, or none */
hidden byte told_in_time;	/* who is told that a device goes can still write to it */
hidden byte number_is_free;	/* a number is not given away while its device lives */
hidden byte drained_unlocked;	/* nobody waits for a lock for as long as an operation lasts */
hidden byte nothing_leaks;	/* in the end all memory and all numbers are back */
hidden byte twice_is_once;	/* a second unregister does nothing */

#define must(property, condition) assert((property) || (condition))

/* What the core allocates: roots and partitions. */
bool alive[OBJECTS];
byte refs[OBJECTS];		/* of the embedded struct device */
byte number[OBJECTS];		/* a bit */
bool found[OBJECTS];		/* in the IDR */
bool added[OBJECTS];		/* in sysfs */
byte handlers[OBJECTS];		/* of sysfs, that run */
bool gone[OBJECTS];		/* a partition that was deleted */
bool listed[OBJECTS];		/* in the list of partitions */
byte held[OBJECTS];		/* by users; for the properties only */
bool deleted[OBJECTS];		/* deleting has returned; for the properties only */

/* Of each root. */
byte provider[DEVICES];		/* 0 is NULL, else the device's number and one */
bool dying[DEVICES];
byte users[DEVICES];
bool attached[DEVICES];		/* the other pointer to the provider, for resume */
byte inside[DEVICES];		/* SRCU: bits of readers */
byte waited[DEVICES];		/* and of those that synchronize_srcu() waits for */

/* Of each driver's device. */
bool memory[DEVICES];
bool to_root[DEVICES];		/* the provider's pointer to its root */
byte callbacks[DEVICES];	/* that run */
byte got[DEVICES];		/* _get_device minus _put_device */
byte module[DEVICES];		/* references */
bool asleep[DEVICES];		/* suspended: operations sleep in the driver */
bool returned[DEVICES];		/* unregister has; for the properties only */

byte numbers;			/* bits of those that are taken */

/* Locks, with who has them. In this order: partitions, table, block, root. */
byte partitions[DEVICES];
byte table;
byte block_lock;
byte root_lock[DEVICES];

bool frozen;		/* user space, while the system sleeps */
byte ioctls;		/* of user space, that delete something */

byte block_has = NONE;		/* what the translation layer was told of */
bool block_open;

byte running = USERS + BLOCK + SLEEP + 1;

inline lock(which)
{
	atomic { which == 0 -> which = 1 + _pid }
}

inline unlock(which)
{
	which = 0
}

/* References to devices. */

inline put_ref(handle)
{
	must(core_memory_lives, alive[handle]);
	must(freed_once, refs[handle] > 0);
	refs[handle]--;
	if
	:: refs[handle] > 0
	:: else ->
		must(freed_once, held[handle] == 0 && !added[handle]);
		must(freed_once, IS_PART(handle) || inside[DEV(handle)] == 0);
		alive[handle] = false;
		numbers = numbers & ~number[handle];
		number[handle] = 0
	fi
}

/* A partition's release puts the root. */
inline put_device(handle)
{
	atomic {
		put_ref(handle);
		if
		:: IS_PART(handle) && !alive[handle] -> put_ref(ROOT(DEV(handle)))
		:: else
		fi
	}
}

/* What a handle holds of the driver. */

inline get_module(dev)
{
	atomic {
		must(none_runs, !returned[dev]);
		module[dev]++
	}
}

inline put_module(dev)
{
	atomic {
		must(given_once, module[dev] > 0);
		module[dev]--
	}
}

inline get_driver(dev)
{
	atomic {
		must(provider_lives, memory[dev]);
		got[dev]++
	}
}

inline put_driver(dev)
{
	atomic {
		must(given_once, got[dev] > 0);
		must(provider_lives, memory[dev]);
		got[dev]--
	}
}

/* Without mtd_table_mutex; the caller knows that the handle lives. */
inline get_handle(handle, ok)
{
	must(core_memory_lives, alive[handle] && alive[ROOT(DEV(handle))]);
	lock(root_lock[DEV(handle)]);
	if
	:: provider[DEV(handle)] == 0 -> ok = false
	:: provider[DEV(handle)] != 0 ->
		if
		:: true ->
			get_driver(DEV(handle));
			if
			:: true ->
				get_module(DEV(handle));
				users[DEV(handle)]++;
				atomic {
					refs[handle]++;
					held[handle]++;
					ok = true
				}
			:: true ->
				/* The module is being unloaded. */
				put_driver(DEV(handle));
				ok = false
			fi
		:: true -> ok = false	/* _get_device() fails */
		fi
	fi;
	unlock(root_lock[DEV(handle)])
}

inline put_handle(handle)
{
	must(core_memory_lives, alive[handle] && alive[ROOT(DEV(handle))]);
	lock(root_lock[DEV(handle)]);
	if
	:: users[DEV(handle)] == 0	/* unregister has taken them over */
	:: else ->
		users[DEV(handle)]--;
		must(provider_lives, attached[DEV(handle)]);
		put_driver(DEV(handle));
		put_module(DEV(handle))
	fi;
	unlock(root_lock[DEV(handle)]);
	atomic {
		held[handle]--;
		put_device(handle)
	}
}

/* By number, as open() and get_mtd_device() do. */
inline find_handle(handle, mode, ok)
{
	lock(table);
	if
	:: found[ROOT(0)] -> handle = ROOT(0)
	:: found[PART(0)] -> handle = PART(0)
#if DEVICES > 1
	:: found[ROOT(1)] -> handle = ROOT(1)
	:: found[PART(1)] -> handle = PART(1)
#endif
	:: handle = NONE	/* no such number */
	fi;
	if
	:: handle == NONE
	:: else ->
		get_handle(handle, ok);
		if
		:: ok -> mode = COUNTED; ok = false
		:: else -> handle = NONE
		fi
	fi;
	unlock(table)
}

/* What is in sysfs. The device stays there while a file is read. */
inline find_added(handle, mode)
{
	atomic {
		if
		:: added[ROOT(0)] -> handle = ROOT(0)
		:: added[PART(0)] -> handle = PART(0)
#if DEVICES > 1
		:: added[ROOT(1)] -> handle = ROOT(1)
		:: added[PART(1)] -> handle = PART(1)
#endif
		:: else
		fi;
		if
		:: handle == NONE
		:: handle != NONE -> mode = FILE; handlers[handle]++
		:: handle != NONE -> mode = CELL; refs[handle]++; held[handle]++
		fi
	}
}

/*
 * An operation on a handle that the caller holds. `done` says whether the driver
 * was called.
 */
inline operate(handle, counted, me, was_gone, pointer, done)
{
	done = false;
	atomic {
		was_gone = deleted[handle] || returned[DEV(handle)];
		must(core_memory_lives, alive[handle] && alive[ROOT(DEV(handle))]);
		inside[DEV(handle)] = inside[DEV(handle)] | (1 << me)
	};
	if
	:: gone[handle]
	:: else ->
		pointer = provider[DEV(handle)];
		if
		:: pointer == 0
		:: else ->
			atomic {
				must(refused, !was_gone);
				must(not_the_new, pointer == DEV(handle) + 1);
				must(none_runs, !returned[DEV(handle)]);
				must(provider_lives, memory[DEV(handle)]);
				must(driver_is_held, !(counted) || got[DEV(handle)] > 0);
				callbacks[DEV(handle)]++
			};
			atomic {
				!asleep[DEV(handle)] ->
				must(none_runs, !returned[DEV(handle)]);
				must(provider_lives, memory[DEV(handle)]);
				must(driver_is_held, !(counted) || got[DEV(handle)] > 0);
				callbacks[DEV(handle)]--;
				pointer = 0;
				done = true
			}
		fi
	fi;
	atomic {
		was_gone = false;
		must(core_memory_lives, alive[ROOT(DEV(handle))]);
		inside[DEV(handle)] = inside[DEV(handle)] & ~(1 << me);
		waited[DEV(handle)] = waited[DEV(handle)] & ~(1 << me)
	}
}

inline synchronize(dev)
{
	atomic {
		must(drained_unlocked, partitions[dev] != 1 + _pid);
		must(drained_unlocked, table != 1 + _pid);
		must(drained_unlocked, root_lock[dev] != 1 + _pid);
		waited[dev] = inside[dev]
	};
	waited[dev] == 0
}

/* The translation layer is told, under mtd_table_mutex. */

inline tell_added(handle)
{
#if BLOCK
	if
	:: block_has == NONE -> block_has = handle
	:: true
	fi
#else
	skip
#endif
}

inline tell_removed(handle, me, was_gone, pointer, done)
{
#if BLOCK
	lock(block_lock);
	if
	:: block_has == handle ->
		if
		:: block_open ->
			operate(handle, true, me, was_gone, pointer, done);
			must(told_in_time, done);
			done = false;
			put_handle(handle);
			block_open = false
		:: else
		fi;
		block_has = NONE
	:: else
	fi;
	unlock(block_lock)
#else
	skip
#endif
}

#define IS_OTHER(bit, handle, other) \
	((other) != (handle) && alive[other] && number[other] == (bit))
#if DEVICES > 1
#define LIVES_WITH(bit, handle) \
	(IS_OTHER(bit, handle, ROOT(0)) || IS_OTHER(bit, handle, PART(0)) || \
	 IS_OTHER(bit, handle, ROOT(1)) || IS_OTHER(bit, handle, PART(1)))
#else
#define LIVES_WITH(bit, handle) \
	(IS_OTHER(bit, handle, ROOT(0)) || IS_OTHER(bit, handle, PART(0)))
#endif

/* Publishes a handle, under mtd_table_mutex. */
inline add_device(handle)
{
	atomic {
		/* the lowest that is free */
		number[handle] = ~numbers & (numbers + 1);
		must(number_is_free, !LIVES_WITH(number[handle], handle));
		numbers = numbers | number[handle]
	};
	added[handle] = true;
	found[handle] = true;
	tell_added(handle)
}

/* The driver core waits for handlers of sysfs files, and none begins. */
inline device_del(handle)
{
	atomic {
		must(core_memory_lives, alive[handle]);
		added[handle] = false
	};
	handlers[handle] == 0
}

/* A partition; it holds its root for as long as it lives. */
inline allocate_partition(part)
{
	alive[part] = true;
	refs[part] = 1;
	gone[part] = false;
	deleted[part] = false;
	must(core_memory_lives, alive[ROOT(DEV(part))]);
	refs[ROOT(DEV(part))]++
}

inline publish_partition(part)
{
	lock(partitions[DEV(part)]);
	if
	:: dying[DEV(part)]
	:: else ->
		listed[part] = true;
		lock(table);
		add_device(part);
		unlock(table);
		refs[part]++
	fi;
	unlock(partitions[DEV(part)]);
	put_device(part)
}

/* Let nobody find a handle any more; operations go on working. */
inline retire_device(handle, me, was_gone, pointer, ok)
{
	lock(table);
	if
	:: !added[handle]	/* not published */
	:: else ->
		tell_removed(handle, me, was_gone, pointer, ok);
		found[handle] = false
	fi;
	unlock(table)
}

inline remove_device(handle)
{
	listed[handle] = false;
	gone[handle] = true;
	if
	:: added[handle] -> device_del(handle)
	:: else
	fi;
	deleted[handle] = true;
	put_device(handle)
}

active [USERS] proctype user()
{
	byte handle = NONE;
	byte mode, part, pointer;
	bool was_gone, ok, second;

	do
	:: handle == NONE -> find_handle(handle, mode, ok)
	:: handle == NONE -> find_added(handle, mode)
	:: handle == NONE -> break
	:: handle != NONE ->
		operate(handle, mode == COUNTED, _pid, was_gone, pointer, ok);
		ok = false
	/* Again, by pointer, as __get_mtd_device() allows. */
	:: mode == COUNTED && !second -> get_handle(handle, second)
	:: mode == COUNTED ->
		put_handle(handle);
		if
		:: second -> second = false
		:: else -> mode = 0; handle = NONE
		fi
	:: atomic { mode == FILE -> handlers[handle]--; mode = 0; handle = NONE }
	:: mode == CELL ->
		atomic {
			held[handle]--;
			put_device(handle);
			mode = 0;
			handle = NONE
		}
	/* BLKPG */
	:: atomic {
		mode == COUNTED && _pid < PARTERS && !alive[PART(DEV(handle))] ->
		part = PART(DEV(handle));
		allocate_partition(part)
	   };
		publish_partition(part);
		part = 0
	:: atomic {
		mode == COUNTED && _pid < PARTERS && !frozen ->
		ioctls++;
		part = PART(DEV(handle))
	   };
		lock(partitions[DEV(part)]);
		if
		:: dying[DEV(part)] || !listed[part]
		:: else ->
			retire_device(part, _pid, was_gone, pointer, ok);
			ok = false;
			remove_device(part)
		fi;
		unlock(partitions[DEV(part)]);
		ioctls--;
		part = 0
	od;
	running--
}

#if BLOCK
active proctype block()
{
	byte pointer;
	bool was_gone, ok;

	do
	:: lock(block_lock);
		if
		:: block_has == NONE
		:: block_has != NONE && block_open ->
			operate(block_has, true, _pid, was_gone, pointer, ok)
		:: block_has != NONE && block_open ->
			put_handle(block_has);
			block_open = false
		:: block_has != NONE && !block_open ->
			get_handle(block_has, block_open)
		fi;
		unlock(block_lock)
	:: atomic { !block_open -> break }
	od;
	running--
}
#endif

#if SLEEP
inline sleep_or_wake(handle, sleep)
{
	must(core_memory_lives, alive[handle] && alive[ROOT(DEV(handle))]);
	lock(root_lock[DEV(handle)]);
	if
	:: attached[DEV(handle)] ->
		must(none_runs, !returned[DEV(handle)]);
		must(provider_lives, memory[DEV(handle)]);
		asleep[DEV(handle)] = sleep
	:: else
	fi;
	unlock(root_lock[DEV(handle)]);
	handlers[handle]--
}

/*
 * The PM core. It goes by what is in the class, and device_del() waits for its callbacks.
 * User space, which might delete something, is frozen; threads of the kernel are not.
 */
active proctype pm()
{
	byte handle = NONE;

	do
	:: atomic {
		!frozen && ioctls == 0 ->
		if
		:: added[ROOT(0)] -> handle = ROOT(0)
		:: added[PART(0)] -> handle = PART(0)
#if DEVICES > 1
		:: added[ROOT(1)] -> handle = ROOT(1)
		:: added[PART(1)] -> handle = PART(1)
#endif
		:: break
		fi;
		handlers[handle]++;
		frozen = true
	   };
		sleep_or_wake(handle, true)
	:: atomic {
		frozen ->
		if
		:: added[handle] -> handlers[handle]++
		:: !added[handle] && added[handle ^ 1] ->
			handle = handle ^ 1;
			handlers[handle]++
		:: else -> goto awake
		fi
	   };
		sleep_or_wake(handle, false);
awake:		atomic {
			frozen = false;
			handle = NONE
		}
	od;
	running--
}
#endif

active proctype driver()
{
	byte handle = NONE;
	byte dev, count, pointer, again;
	bool was_gone, ok;

	do
	:: dev < DEVICES ->
		/* register: the whole device, a partition, or both */
		memory[dev] = true;
		atomic {
			alive[ROOT(dev)] = true;
			refs[ROOT(dev)] = 1;
			attached[dev] = true;
			provider[dev] = dev + 1;
			to_root[dev] = true
		};
		if
		:: true -> again = 1
		:: true -> again = 2
		:: true -> again = 3
		fi;
		if
		:: again & 2 ->
			lock(table);
			add_device(ROOT(dev));
			unlock(table)
		:: else
		fi;
		if
		:: atomic {
			(again & 1) && !alive[PART(dev)] ->
			allocate_partition(PART(dev))
		   };
			publish_partition(PART(dev))
		:: else
		fi;
		again = 0;

		/* unregister, twice */
		do
		:: again == 2 -> again = 0; break
		:: again < 2 && !to_root[dev] -> again++
		:: again < 2 && to_root[dev] ->
			must(twice_is_once, again == 0);
			again++;

			/* dying */
			lock(partitions[dev]);
			dying[dev] = true;
			handle = PART(dev);
			do
			:: handle != NONE ->
				if
				:: IS_PART(handle) && !listed[handle]
				:: else ->
					retire_device(handle, _pid, was_gone, pointer, ok);
					ok = false;
				fi;
				handle = (IS_PART(handle) -> ROOT(dev) : NONE)
			:: else -> break
			od;
			unlock(partitions[dev]);

			/* closed */
			lock(root_lock[dev]);
			provider[dev] = 0;
			count = users[dev];
			users[dev] = 0;
			unlock(root_lock[dev]);

			synchronize(dev);

			lock(root_lock[dev]);
			attached[dev] = false;
			unlock(root_lock[dev]);

			/* given back */
			do
			:: count > 0 ->
				put_driver(dev);
				put_module(dev);
				count--
			:: else -> break
			od;

			/* gone */
			handle = PART(dev);
			do
			:: handle != NONE ->
				if
				:: IS_PART(handle) && !listed[handle]
				:: else ->
					remove_device(handle);
				fi;
				handle = (IS_PART(handle) -> ROOT(dev) : NONE)
			:: else -> break
			od;
			to_root[dev] = false
		od;

		/* The driver frees its own. */
		atomic {
			returned[dev] = true;
			must(given_back, got[dev] == 0 && module[dev] == 0);
			must(none_runs, callbacks[dev] == 0);
			memory[dev] = false;
			dev++
		}
	:: else -> break
	od;
	running--;

	/* Everybody has closed what they held. */
	running == 0;
	for (dev : 0 .. DEVICES - 1) {
		must(nothing_leaks, !alive[ROOT(dev)] && !alive[PART(dev)]);
		must(nothing_leaks, inside[dev] == 0)
	};
	must(nothing_leaks, numbers == 0)
}
