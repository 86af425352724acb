# SPDX-License-Identifier: GPL-2.0
# Runs in mount and pid namespaces of its own: (made|host) root (ro|rw host inside)...
# -- program argument...  Stays as process 1, so that the program has ordinary signal
# semantics; the namespaces end with it.
#
# With "host" the root is an empty directory, which gets what the machine's own root has
# but for the names that binds use. A user namespace has to keep the flags that a file
# system was mounted with when it makes it read-only.
set -eu
kind=$1
root=$2
shift 2
ro() {
	for flags in '' ,nosuid,nodev ,nosuid,nodev,noexec; do
		if mount -o "remount,bind,ro$flags" "$1" 2>/dev/null; then
			return
		fi
	done
	mount -o remount,bind,ro "$1"
}
if [ "$kind" = host ]; then
	mount -t tmpfs -o mode=755 root "$root"
	mount --make-unbindable "$root"
	for entry in /*; do
		case $entry in
		/boot | /build | /ccache | /dev | /guest | /ktap | /kunit | /linux | /lost+found)
			;;
		/patches | /proc)
			;;
		*)
			if [ -h "$entry" ]; then
				cp -P "$entry" "$root$entry"
			elif [ -d "$entry" ]; then
				mkdir "$root$entry"
				mount --rbind "$entry" "$root$entry"
			fi
			;;
		esac
	done
	mkdir "$root/dev" "$root/proc"
else
	mount --bind "$root" "$root"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
fi
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
	target=$root$3
	if [ -d "$2" ]; then
		mkdir -p "$target"
	else
		mkdir -p "${target%/*}"
		[ -e "$target" ] || : >"$target"
	fi
	mount --bind "$2" "$target"
	[ "$1" = rw ] || ro "$target"
	shift 3
done
shift
ro "$root"
cd "$root"
chroot "$root" "$@"
