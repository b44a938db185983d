// Types of the kv dialect (KvTypes.td).
#ifndef KV_TYPES_H
#define KV_TYPES_H

#include "dialect/KvAttrs.h"

#define GET_TYPEDEF_CLASSES
#include "dialect/KvTypes.h.inc"

#endif
