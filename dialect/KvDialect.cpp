// Registration of the kv dialect.
#include "dialect/KvOps.h"

#include "dialect/KvDialect.cpp.inc"
#include "dialect/KvEnums.cpp.inc"

void kv::KvDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialect/KvOps.cpp.inc"
      >();
}
