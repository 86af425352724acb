/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mtd

#if !defined(_TRACE_MTD_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_MTD_H

#include <linux/ktime.h>
#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(mtd_gate,

	TP_PROTO(const char *name),

	TP_ARGS(name),

	TP_STRUCT__entry(
		__string(	name,	name	)
	),

	TP_fast_assign(
		__assign_str(name);
	),

	TP_printk("%s", __get_str(name))

);

DEFINE_EVENT(mtd_gate, mtd_gate_close,

	TP_PROTO(const char *name),

	TP_ARGS(name)

);

DEFINE_EVENT(mtd_gate, mtd_gate_drain_begin,

	TP_PROTO(const char *name),

	TP_ARGS(name)

);

DEFINE_EVENT(mtd_gate, mtd_gate_refuse,

	TP_PROTO(const char *name),

	TP_ARGS(name)

);

TRACE_EVENT(mtd_gate_drain_end,

	TP_PROTO(const char *name, ktime_t duration),

	TP_ARGS(name, duration),

	TP_STRUCT__entry(
		__string(	name,	name		)
		__field(	s64,	duration_us	)
	),

	TP_fast_assign(
		__assign_str(name);
		__entry->duration_us = ktime_to_us(duration);
	),

	TP_printk("%s duration=%lld us", __get_str(name),
		  __entry->duration_us)

);

#endif /* _TRACE_MTD_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
