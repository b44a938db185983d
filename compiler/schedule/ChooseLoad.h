// How a stream is read: #kv.load, which SelectSchedule derives from a cache's orders and writes into the schedule.
#ifndef KV_CHOOSE_LOAD_H
#define KV_CHOOSE_LOAD_H

#include "compiler/schedule/StreamAccess.h"

namespace kv {

/// The widest load of a product for `lanes` lanes.
LoadAttr productLoad(CacheType cache, StreamRef stream, int64_t lanes);

/// The load of a thread for a matrix record. `staged`: blocks are read from memory of the team.
LoadAttr matrixLoad(CacheType cache, StreamRef stream, bool staged);

/// Whether the lanes of a vector are read one at a time, several times slower than together. Threads read each for itself.
bool gathers(ScheduleAttr schedule, Contract contract);
/// The same of a stream of `cache` if both its orders were `auto`.
bool gathersInAutoOrder(CacheType cache, StreamRef stream, int64_t lanes);

} // namespace kv

#endif
