// What is launched: a grid of warps, each of which finds its item from its place in the grid and the lengths in device memory, so
// that one grid serves any lengths and a graph can capture it.
//
//   append: x = sequence * kv heads + head;                          y = its share of the sequence's new tokens
//   attend: x = (query block * sequences + sequence) * kv heads + head;  y = split
//
// Slots decide which 4-bit codes share a byte. An append with a slot_mapping of a cache whose bytes hold codes of two slots is
// shared out by slots, therefore: a warp stores what goes into its units of slots, from whichever sequences the tokens are.
//
// The workspace of an attend holds a counter for each x, 0 between launches, then room for the partial results of every split. The
// last warp of an x to finish joins them, in their order, whoever is last.
#include "compiler/kernels/LowerEntry.h"
#include "compiler/kernels/VisibleTokens.h"
#include "compiler/targets/cuda/Cuda.h"
#include "dialect/KernelBuilder.h"
#include "dialect/Storage.h"
#include "dialect/TokenMap.h"

#include <array>

using namespace mlir;

namespace kv {
namespace {

/// Appends of one warp start and end at multiples of so many tokens of the sequence: 4-bit codes of two slots of a page may share a
/// byte, but not those on both sides of a multiple of storedRun, or of two pages.
int64_t appendUnit(CacheType cache) {
  int64_t slots = cache.getLayout().getSlots();
  return cache.getLayout().getKind() == LayoutKind::dense || slots % storedRun == 0 ? storedRun : slots;
}

/// Whether a byte holds codes of two slots.
bool slotsShareBytes(CacheType cache) {
  PageMap map = mapPage(resolveAuto(cache));
  return llvm::any_of(map.regions, [](const Region &region) {
    return region.role == RegionRole::codes && region.bits < 8 && region.axes.back().digit.coordinate == 't';
  });
}

class GridBuilder : public KernelBuilder {
public:
  GridBuilder(ModuleOp module, func::FuncOp grid) : KernelBuilder(grid) {
    Block *body = grid.addEntryBlock();
    step = body->getArgument(0);
    flag = body->getArgument(1);
    setInsertionPointToEnd(body);
    setInsertionPoint(func::ReturnOp::create(*this, loc));
    x = place("ctaid.x");
    y = place("ctaid.y");
    width = place("nctaid.x");
    height = place("nctaid.y");
    item = NewItemOp::create(*this, loc, ptr());
    Value shared = LLVM::AddressOfOp::create(*this, loc, sharedMemory(module));
    set(ItemField::scratch, LLVM::AddrSpaceCastOp::create(*this, loc, ptr(), shared));
  }

  Value flag, x, y, width, height;

  Value place(StringRef which) {
    Value number = intrinsic(getI32Type(), ("llvm.nvvm.read.ptx.sreg." + which).str(), {});
    return arith::ExtUIOp::create(*this, loc, getI64Type(), number);
  }
  Value intrinsic(Type type, const std::string &name, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(*this, loc, type, getStringAttr(name), operands).getResult(0);
  }
  void set(ItemField field, Value value) { SetItemOp::create(*this, loc, field, item, value); }
  void call(StringRef function) { func::CallOp::create(*this, loc, function, TypeRange{}, ValueRange{step, item}); }
  Value divide(Value a, Value by) { return arith::DivUIOp::create(*this, loc, a, by); }
  Value roundUp(Value a, int64_t unit) { return mul(div(add(a, unit - 1), unit), unit); }
  Value both(Value a, Value b) { return arith::AndIOp::create(*this, loc, a, b); }
  void fence() { LLVM::FenceOp::create(*this, loc, LLVM::AtomicOrdering::acq_rel, "device"); }
  Value lane() { return intrinsic(getI32Type(), "llvm.nvvm.read.ptx.sreg.laneid", {}); }
  void waitForWarp() { LLVM::CallIntrinsicOp::create(*this, loc, getStringAttr("llvm.nvvm.bar.warp.sync"), ValueRange{i32(-1)}); }
  /// The new tokens of sequence `seq` and its length.
  std::pair<Value, Value> tokensOf(Value seq) {
    Value end = read(StepField::query_start_loc, add(seq, 1));
    Value queries = sub(end, read(StepField::query_start_loc, seq));
    return {queries, read(StepField::seq_lens, seq)};
  }

private:
  /// Shared memory whose size the launch says.
  LLVM::GlobalOp sharedMemory(ModuleOp module) {
    if (auto global = module.lookupSymbol<LLVM::GlobalOp>("kv_shared"))
      return global;
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointToStart(module.getBody());
    return LLVM::GlobalOp::create(*this, loc, LLVM::LLVMArrayType::get(getI8Type(), 0), /*isConstant=*/false,
                                  LLVM::Linkage::External, "kv_shared", Attribute(), /*alignment=*/16, /*addrSpace=*/3);
  }
};

func::FuncOp addFunction(ModuleOp module, StringRef name) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto type = b.getFunctionType({LLVM::LLVMPointerType::get(b.getContext()), b.getI64Type()}, {});
  return func::FuncOp::create(b, module.getLoc(), name, type);
}

/// Stores tokens [begin, end) of sequence `seq`.
void appendItem(GridBuilder &b, const KernelFunctions &kernel, Value seq, Value begin, Value end) {
  b.set(ItemField::seq, seq);
  b.set(ItemField::head, b.rem(b.x, kernel.cache.getHeads()));
  b.set(ItemField::num_heads, b.i64(1));
  b.set(ItemField::query_begin, begin);
  b.set(ItemField::query_end, end);
  b.call(kernel.append);
}

/// A share of the sequence's new tokens. Sequences with at most `flag` of them are left to the attend that appends them.
void appendByPosition(GridBuilder &b, const KernelFunctions &kernel) {
  int64_t unit = appendUnit(kernel.cache);
  Value seq = b.div(b.x, kernel.cache.getHeads());
  auto [queries, length] = b.tokensOf(seq);
  Value firstNew = b.sub(length, queries), start = b.mul(b.div(firstNew, unit), unit);
  Value upToNext = b.add(b.sub(length, start), b.height);
  Value each = b.roundUp(b.divide(b.sub(upToNext, b.i64(1)), b.height), unit);
  Value mine = b.add(start, b.mul(b.y, each));
  Value begin = b.max(firstNew, mine), end = b.min(length, b.add(mine, each));
  Value many = b.isLess(b.flag, queries);
  b.ifThen(b.both(many, b.isLess(begin, end)), [&] {
    Value firstQuery = b.sub(begin, firstNew), endQuery = b.sub(end, firstNew);
    appendItem(b, kernel, seq, firstQuery, endQuery);
  });
}

/// What goes into this warp's units of slots. A lane looks at a token; the warp stores those that lanes found, one after another.
/// To an append that is told its slots, the tokens of the step are the first sequence's.
void appendBySlot(GridBuilder &b, const KernelFunctions &kernel, Value mapping) {
  int64_t heads = kernel.cache.getHeads(), slots = kernel.cache.getLayout().getSlots(), lanes = 32;
  TokenMap tokens(b, slots);
  Value seqs = b.read(StepField::num_seqs), warps = b.mul(seqs, b.height);
  Value own = b.add(b.mul(b.div(b.x, heads), b.height), b.y);
  Value total = b.read(StepField::query_start_loc, seqs), lane = b.toI64(b.lane());
  b.loop(b.i64(0), total, lanes, [&](Value first) {
    Value token = b.add(first, lane), inside = b.isLess(token, total);
    Value slot = b.load(b.getI64Type(), b.at(mapping, b.mul(b.min(token, b.sub(total, b.i64(1))), 8)));
    Value ofPage = b.mul(tokens.entryOf(slot), (slots + storedRun - 1) / storedRun);
    Value unit = b.add(ofPage, b.div(tokens.slotOf(slot), storedRun));
    // Multiples of the golden ratio spread neighbours evenly.
    Value unit32 = b.toI32(unit), spread = arith::MulIOp::create(b, b.loc, unit32, b.i32(int32_t(0x9e3779b9)));
    Value share = arith::ExtUIOp::create(b, b.loc, b.getI64Type(), spread);
    Value scaled = b.mul(share, warps), owner = arith::ShRUIOp::create(b, b.loc, scaled, b.i64(32));
    Value kept = b.both(inside, b.isLess(b.i64(-1), slot));
    Value mine = b.both(kept, arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, owner, own));
    Value found = b.intrinsic(b.getI32Type(), "llvm.nvvm.vote.ballot.sync", {b.i32(-1), mine});
    b.ifThen(arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::ne, found, b.i32(0)), [&] {
      Value firstLane = b.i64(0), endLane = b.i64(lanes);
      b.loop(firstLane, endLane, 1, [&](Value at) {
        Value one = b.i32(1), bit = arith::ShLIOp::create(b, b.loc, one, b.toI32(at));
        Value its = arith::AndIOp::create(b, b.loc, found, bit);
        Value isFound = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::ne, its, b.i32(0));
        b.ifThen(isFound, [&] {
          Value begin = b.add(first, at), seq = b.i64(0);
          appendItem(b, kernel, seq, begin, b.add(begin, 1));
          b.waitForWarp(); // the next one uses the same shared memory
        });
      });
    });
  });
}

void buildAppend(ModuleOp module, func::FuncOp grid, const KernelFunctions &kernel) {
  GridBuilder b(module, grid);
  if (!slotsShareBytes(kernel.cache))
    return appendByPosition(b, kernel);
  // The slots of a fused step, which has a flag, are those of its positions.
  Value mapping = b.read(StepField::slot_mapping), null = LLVM::ZeroOp::create(b, b.loc, b.ptr());
  Value mapped = LLVM::ICmpOp::create(b, b.loc, LLVM::ICmpPredicate::ne, mapping, null);
  Value alone = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, b.flag, b.i64(0));
  b.ifElse(
      b.both(mapped, alone), [&] { appendBySlot(b, kernel, mapping); }, [&] { appendByPosition(b, kernel); });
}

/// Appends the item's own new tokens first where `flag` is not 0.
void buildAttend(ModuleOp module, func::FuncOp grid, const KernelFunctions &kernel, StringRef own) {
  GridBuilder b(module, grid);
  int64_t heads = kernel.cache.getHeads(), group = kernel.headsQ / heads;
  Value rest = b.div(b.x, heads), seqs = b.read(StepField::num_seqs);
  Value queryBlock = b.divide(rest, seqs), seq = b.sub(rest, b.mul(queryBlock, seqs));
  auto [queries, length] = b.tokensOf(seq);
  Value queryBegin = b.mul(queryBlock, kernel.queryBlock);
  auto endOfQueries = [&, queries = queries] { return b.min(b.add(queryBegin, kernel.queryBlock), queries); };
  // Visible tokens; where they are the sequence's first ones, those that no query sees are of no matter.
  Value tokens = length, shift = b.i64(0);
  if (kernel.visible.hasLow()) {
    SmallVector<VisibleRange> ranges =
        visibleRanges(b, kernel.visible, length, queries, queryBegin, endOfQueries(), kernel.alignTokens);
    tokens = b.add(ranges.back().before, ranges.back().tokens);
    shift = ranges.front().begin;
  }
  Value one = b.i64(1), splits = b.max(one, b.div(b.add(tokens, kernel.splitTokens - 1), kernel.splitTokens));
  Value hasQueries = b.isLess(queryBegin, queries);
  b.ifThen(b.both(hasQueries, b.isLess(b.y, splits)), [&] {
    Value queryEnd = endOfQueries();
    Value tokenBegin = b.mul(b.y, kernel.splitTokens);
    b.set(ItemField::seq, seq);
    b.set(ItemField::head, b.rem(b.x, heads));
    b.set(ItemField::num_heads, b.i64(1));
    b.set(ItemField::query_begin, queryBegin);
    b.set(ItemField::query_end, queryEnd);
    Value tokenEnd = b.min(b.add(tokenBegin, kernel.splitTokens), tokens);
    b.set(ItemField::token_begin, tokenBegin);
    b.set(ItemField::token_end, tokenEnd);
    b.set(ItemField::num_partials, splits);
    Value workspace = b.read(StepField::workspace);
    Value most = b.i64(kernel.queryBlock * group * kernel.rowBytes); // bytes of a partial
    Value counters = b.roundUp(b.mul(b.width, 4), 64);
    Value partials = b.at(workspace, b.add(counters, b.mul(b.mul(b.x, b.height), most)));
    Value bytes = b.mul(b.sub(queryEnd, queryBegin), group * kernel.rowBytes);
    Value several = b.isLess(b.i64(1), splits), null = LLVM::ZeroOp::create(b, b.loc, b.ptr());
    b.set(ItemField::partial, LLVM::SelectOp::create(b, b.loc, several, b.at(partials, b.mul(b.y, bytes)), null));
    auto appendOwn = [&] {
      b.call(own);
      // What is copied past the first-level cache must find it behind that.
      b.fence();
      b.waitForWarp();
    };
    Value appends = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::ne, b.flag, b.i64(0));
    if (kernel.visible.seesItself())
      b.ifThen(appends, [&] {
        if (!kernel.visible.hasLow())
          return appendOwn();
        // Tokens are appended by their indices.
        b.set(ItemField::token_begin, b.add(tokenBegin, shift));
        b.set(ItemField::token_end, b.add(tokenEnd, shift));
        appendOwn();
        b.set(ItemField::token_begin, tokenBegin);
        b.set(ItemField::token_end, tokenEnd);
      });
    b.call(kernel.plainAttend);
    b.ifThen(several, [&] {
      // What every thread has stored is seen by whoever sees the count: the barrier orders it before the fence of the thread that
      // counts, and on the other side that thread's fence before the barrier.
      b.waitForWarp();
      b.fence();
      Value counter = b.at(workspace, b.mul(b.x, 4)), lane = b.lane();
      Value first = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, lane, b.i32(0));
      auto count = scf::IfOp::create(b, b.loc, TypeRange{b.getI32Type()}, first, /*withElseRegion=*/true);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(count.thenBlock());
        Value before = LLVM::AtomicRMWOp::create(b, b.loc, LLVM::AtomicBinOp::add, counter, b.i32(1),
                                                 LLVM::AtomicOrdering::monotonic, "device");
        scf::YieldOp::create(b, b.loc, before);
        b.setInsertionPointToStart(count.elseBlock());
        scf::YieldOp::create(b, b.loc, b.i32(0));
      }
      Value before =
          b.intrinsic(b.getI32Type(), "llvm.nvvm.shfl.sync.idx.i32", {b.i32(-1), count.getResult(0), b.i32(0), b.i32(31)});
      Value rank = b.toI64(before);
      Value last = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, rank, b.sub(splits, b.i64(1)));
      b.ifThen(last, [&] {
        b.fence();
        b.waitForWarp();
        b.ifThen(first, [&] { b.store(b.i32(0), counter); });
        b.set(ItemField::partial, partials);
        b.call(kernel.merge);
      });
    });
  });
}

} // namespace

void addGrids(ModuleOp module, MutableArrayRef<KernelFunctions> kernels) {
  llvm::StringMap<std::string> owns; // of each cache
  for (const KernelFunctions &kernel : kernels)
    if (!kernel.own.empty())
      owns[kernel.cache.getName().getValue()] = kernel.own;
  for (KernelFunctions &kernel : kernels) {
    bool attends = kernel.headsQ != 0;
    kernel.entry = (attends ? kernel.plainAttend : kernel.append) + gridSuffix.str();
    if (attends && !kernel.append.empty())
      kernel.appendEntry = kernel.append + gridSuffix.str();
    if (module.lookupSymbol(kernel.entry)) // a fused kernel is its plain one with another flag
      continue;
    func::FuncOp grid = addFunction(module, kernel.entry);
    if (attends)
      buildAttend(module, grid, kernel, owns[kernel.cache.getName().getValue()]);
    else
      buildAppend(module, grid, kernel);
    lowerEntry(grid);
  }
}

} // namespace kv
