// The kernels that make one step of append and attend:
//
//   CACHE_append.own         appends those of an item's tokens that are new in this step, as CACHE_append.append does
//   CACHE_append_NAME.attend the two in turn: CACHE_append.own, then CACHE_NAME.attend, while what was stored is in cache
//
// Both only call, so that fusing costs no second copy of anything.
#include "compiler/kernels/AttendKernel.h"

using namespace mlir;

namespace kv {

void buildOwnAppendKernel(ModuleOp module, func::FuncOp func, Attribute schedule) {
  KernelBuilder b(module, func.getLoc(), kernelSymbol(func.getName(), "own"), schedule);
  Value seq = b.itemI64(offsetof(kv_item, seq));
  Value queryBegin = b.itemI64(offsetof(kv_item, query_begin)), queryEnd = b.itemI64(offsetof(kv_item, query_end));
  Value starts = b.stepPtr(offsetof(kv_step, query_start_loc));
  Value queries = b.sub(b.entry(starts, b.add(seq, 1)), b.entry(starts, seq));
  Value firstNew = b.sub(b.entry(b.stepPtr(offsetof(kv_step, seq_lens)), seq), queries);
  Value begin = b.max(b.i64(0), b.sub(b.itemI64(offsetof(kv_item, token_begin)), firstNew));
  Value end = b.min(queries, b.sub(b.itemI64(offsetof(kv_item, token_end)), firstNew));
  Value some = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::slt, begin, end);
  // A sequence of several query blocks has been appended before the step's first attend.
  Value whole = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, b.sub(queryEnd, queryBegin), queries);
  b.ifThen(arith::AndIOp::create(b, b.loc, some, whole), [&] {
    Value copy = b.variable(b.getI64Type(), sizeof(kv_item) / 8);
    b.store(seq, b.at(copy, offsetof(kv_item, seq)));
    b.store(b.i64(1), b.at(copy, offsetof(kv_item, num_heads)));
    b.store(begin, b.at(copy, offsetof(kv_item, query_begin)));
    b.store(end, b.at(copy, offsetof(kv_item, query_end)));
    b.store(b.itemPtr(offsetof(kv_item, scratch)), b.at(copy, offsetof(kv_item, scratch)));
    Value firstHead = b.itemI64(offsetof(kv_item, head));
    b.loop(b.i64(0), b.itemI64(offsetof(kv_item, num_heads)), 1, [&](Value index) {
      b.store(b.add(firstHead, index), b.at(copy, offsetof(kv_item, head)));
      func::CallOp::create(b, b.loc, kernelSymbol(func.getName(), "append"), TypeRange{}, ValueRange{b.step, copy});
    });
  });
}

void buildFusedKernel(ModuleOp module, func::FuncOp func, ScheduleAttr schedule, CacheType cache) {
  StringRef name = cache.getName().getValue();
  KernelBuilder b(module, func.getLoc(), kernelSymbol(func.getName(), "attend"), schedule);
  for (const std::string &part :
       {kernelSymbol((name + "_append").str(), "own"), kernelSymbol(plainAttend(func.getName(), name), "attend")})
    func::CallOp::create(b, b.loc, part, TypeRange{}, ValueRange{b.step, b.item});
}

} // namespace kv
