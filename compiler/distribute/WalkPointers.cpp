// Addresses that grow by the same number of bytes with every iteration of an innermost loop become one pointer that the loop
// carries, and fixed distances from it.
//
//   for z:                                      for z, p = base + 64 * first:
//     load base + 64 * z                          load p
//     load base + 64 * (z + 1)            ->      load p + 64
//                                                 yield p + 64 * step
//
// LLVM's strength reduction does as much, but looks at all loops, and took four tenths of the time that code generation takes.
// Quotients and remainders of a sum that grows by multiples of the divisor grow evenly too, and not at all: what is left to divide
// is the same in all iterations. Loops that would carry more pointers than a processor has registers for keep their addresses.
#include "compiler/distribute/Passes.h"
#include "dialect/KernelBuilder.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace kv {
namespace {

/// A sum of products: of numbers, of values that the loop does not change, of how many iterations have been.
struct Linear {
  struct Sum {
    int64_t constant = 0;
    llvm::MapVector<Value, int64_t> terms;

    bool isZero() const { return constant == 0 && terms.empty(); }
    bool operator==(const Sum &other) const {
      return constant == other.constant && terms.size() == other.terms.size() &&
             llvm::all_of(terms, [&](auto &term) { return other.terms.lookup(term.first) == term.second; });
    }
    void add(const Sum &other, int64_t times) {
      constant += times * other.constant;
      for (auto [value, factor] : other.terms)
        if (!(terms[value] += times * factor))
          terms.erase(value);
    }
    /// Divides what can be divided; the rest, which is returned, is to be divided yet.
    Sum split(int64_t by) {
      Sum divided, rest;
      auto share = [&](int64_t number, int64_t &quotient, int64_t &remainder) {
        remainder = llvm::mod(number, by);
        quotient = (number - remainder) / by;
      };
      share(constant, divided.constant, rest.constant);
      for (auto [value, factor] : terms) {
        int64_t quotient, remainder;
        share(factor, quotient, remainder);
        if (quotient)
          divided.terms[value] = quotient;
        if (remainder)
          rest.terms[value] = remainder;
      }
      *this = divided;
      return rest;
    }
  };
  Sum start, perIteration;

  void add(const Linear &other, int64_t times = 1) {
    start.add(other.start, times);
    perIteration.add(other.perIteration, times);
  }
};

class Loop {
public:
  explicit Loop(scf::ForOp loop) : loop(loop), b(loop) {}

  void walkPointers(size_t mostPointers) {
    findGroups();
    if (groups.empty() || groups.size() > mostPointers)
      return;
    SmallVector<Value> first;
    for (const Group &group : groups)
      first.push_back(addressBefore(group.lowest().gep));
    SmallVector<Value> bytes;
    for (const Group &group : groups)
      bytes.push_back(valueOf(group.perIteration));
    IRRewriter rewriter(loop.getContext());
    rewriter.setInsertionPoint(loop);
    auto walking = cast<scf::ForOp>(*loop.replaceWithAdditionalYields(
        rewriter, first, /*replaceInitOperandUsesInLoop=*/false,
        [&](OpBuilder &at, Location where, ArrayRef<BlockArgument> pointers) {
          SmallVector<Value> next;
          for (auto [pointer, step] : llvm::zip_equal(pointers, bytes))
            next.push_back(addBytes(at, where, pointer, step));
          return next;
        }));
    for (auto [group, pointer] : llvm::zip_equal(groups, walking.getRegionIterArgs().take_back(groups.size())))
      replace(group, pointer);
  }

private:
  scf::ForOp loop;
  OpBuilder b;
  DenseMap<Value, std::optional<Linear>> known;

  struct Quotient {
    Linear::Sum sum;
    int64_t by;
    Value value;
  };
  SmallVector<Quotient> quotients;

  /// Addresses a fixed distance apart.
  struct Group {
    Value base;
    Linear::Sum start, perIteration; ///< start: but for the constant
    struct Member {
      Value gep;
      int64_t offset;
    };
    SmallVector<Member> members;
    const Member &lowest() const {
      return *llvm::min_element(members, [](const Member &x, const Member &y) { return x.offset < y.offset; });
    }
  };
  SmallVector<Group> groups;

  bool isOutside(Value value) { return loop.isDefinedOutsideOfLoop(value); }

  /// None where it is no sum, or changes with the loop in another way.
  const std::optional<Linear> &linear(Value value) {
    if (auto it = known.find(value); it != known.end())
      return it->second;
    std::optional<Linear> found = analyse(value);
    if (!found && isOutside(value)) {
      found.emplace();
      found->start.terms[value] = 1;
    }
    return known[value] = found;
  }

  std::optional<Linear> analyse(Value value) {
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant))) {
      Linear number;
      number.start.constant = constant.getSExtValue();
      return number;
    }
    if (value == loop.getInductionVar()) {
      std::optional<Linear> counter = linear(loop.getLowerBound());
      counter->perIteration = linear(loop.getStep())->start;
      return counter;
    }
    Operation *op = value.getDefiningOp();
    if (!op || !isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivUIOp, arith::RemUIOp>(op) ||
        !value.getType().isInteger(64))
      return std::nullopt;
    std::optional<Linear> x = linear(op->getOperand(0)), y = linear(op->getOperand(1));
    if (!x || !y)
      return std::nullopt;
    if (isa<arith::AddIOp, arith::SubIOp>(op)) {
      x->add(*y, isa<arith::AddIOp>(op) ? 1 : -1);
      return x;
    }
    if (isa<arith::DivUIOp, arith::RemUIOp>(op)) {
      int64_t by = isNumber(*y) ? y->start.constant : 0;
      if (by <= 0 || !x->perIteration.split(by).isZero())
        return std::nullopt;
      Linear::Sum rest = x->start.split(by);
      if (!rest.terms.empty() && !llvm::isPowerOf2_64(by))
        return std::nullopt;
      Linear::Sum more = quotient(rest, by);
      if (isa<arith::DivUIOp>(op)) {
        x->start.add(more, 1);
        return x;
      }
      Linear remainder;
      remainder.start = rest;
      remainder.start.add(more, -by);
      return remainder;
    }
    if (isNumber(*x))
      std::swap(x, y);
    if (isNumber(*y)) {
      Linear product;
      product.add(*x, y->start.constant);
      return product;
    }
    // A number that the loop does not change times one that counts iterations only.
    for (auto [factor, counter] : {std::pair(op->getOperand(0), &*y), {op->getOperand(1), &*x}})
      if (isOutside(factor) && counter->start.terms.empty() && counter->perIteration.terms.empty()) {
        Linear product;
        if (counter->start.constant)
          product.start.terms[factor] = counter->start.constant;
        if (counter->perIteration.constant)
          product.perIteration.terms[factor] = counter->perIteration.constant;
        return product;
      }
    return std::nullopt;
  }

  /// What the loop does not change, divided: itself a value that the loop does not change.
  Linear::Sum quotient(const Linear::Sum &sum, int64_t by) {
    Linear::Sum quotient;
    if (sum.terms.empty()) // less than `by`
      return quotient;
    auto *it = llvm::find_if(quotients, [&](const Quotient &other) { return other.by == by && other.sum == sum; });
    if (it == quotients.end()) {
      Location where = loop.getLoc();
      Value shift = arith::ConstantOp::create(b, where, b.getI64IntegerAttr(llvm::Log2_64(by)));
      it = &quotients.emplace_back(Quotient{sum, by, arith::ShRSIOp::create(b, where, valueOf(sum), shift)});
    }
    quotient.terms[it->value] = 1;
    return quotient;
  }

  static bool isNumber(const Linear &sum) { return sum.start.terms.empty() && sum.perIteration.isZero(); }

  /// What `address` is from; adds to `offset` how many bytes. None where that changes with the loop in another way.
  Value baseOf(Value address, Linear &offset) {
    while (auto step = address.getDefiningOp<LLVM::GEPOp>()) {
      if (!step.getElemType().isInteger(8) || step.getRawConstantIndices().size() != 1)
        break;
      if (step.getDynamicIndices().empty()) {
        offset.start.constant += step.getRawConstantIndices()[0];
      } else {
        const std::optional<Linear> &index = linear(step.getDynamicIndices()[0]);
        if (!index)
          break;
        offset.add(*index);
      }
      address = step.getBase();
    }
    return isOutside(address) ? address : Value();
  }

  void findGroups() {
    for (auto address : loop.getBody()->getOps<LLVM::GEPOp>()) {
      if (llvm::all_of(address->getUsers(), llvm::IsaPred<LLVM::GEPOp>))
        continue;
      Linear offset;
      Value base = baseOf(address, offset);
      if (!base || offset.perIteration.isZero())
        continue;
      int64_t constant = std::exchange(offset.start.constant, 0);
      Group *group = llvm::find_if(groups, [&](const Group &other) {
        return other.base == base && other.start == offset.start && other.perIteration == offset.perIteration &&
               llvm::isInt<LLVM::kGEPConstantBitWidth - 1>(constant - other.members[0].offset);
      });
      if (group == groups.end()) {
        groups.push_back({base, offset.start, offset.perIteration, {}});
        group = &groups.back();
      }
      group->members.push_back({address, constant});
    }
  }

  /// What a value of the body is in the first iteration.
  Value addressBefore(Value value) {
    IRMapping before;
    before.map(loop.getInductionVar(), loop.getLowerBound());
    return cloneBefore(value, before);
  }
  Value cloneBefore(Value value, IRMapping &before) {
    if (isOutside(value) || before.contains(value))
      return before.lookupOrDefault(value);
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      cloneBefore(operand, before);
    return b.clone(*op, before)->getResult(0);
  }

  Value valueOf(const Linear::Sum &sum) {
    Location where = loop.getLoc();
    auto number = [&](int64_t constant) -> Value { return arith::ConstantOp::create(b, where, b.getI64IntegerAttr(constant)); };
    Value total = number(sum.constant);
    for (auto [value, factor] : sum.terms)
      total = arith::AddIOp::create(b, where, total, arith::MulIOp::create(b, where, value, number(factor)));
    return total;
  }

  static void replace(const Group &group, Value pointer) {
    for (auto [gep, offset] : group.members) {
      OpBuilder at(gep.getDefiningOp());
      gep.replaceAllUsesWith(addBytes(at, gep.getLoc(), pointer, offset - group.lowest().offset));
      gep.getDefiningOp()->erase();
    }
  }
};

struct WalkPointers : PassWrapper<WalkPointers, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WalkPointers)
  explicit WalkPointers(int64_t mostPointers) : mostPointers(mostPointers) {}
  StringRef getArgument() const final { return "kv-walk-pointers"; }
  StringRef getDescription() const final { return "let innermost loops carry pointers, not compute addresses"; }

  int64_t mostPointers;

  void runOnOperation() override {
    SmallVector<scf::ForOp> innermost;
    getOperation().walk([&](scf::ForOp loop) {
      if (!loop.getBody()->walk([](scf::ForOp) { return WalkResult::interrupt(); }).wasInterrupted())
        innermost.push_back(loop);
    });
    for (scf::ForOp loop : innermost)
      Loop(loop).walkPointers(mostPointers);
  }
};

} // namespace

std::unique_ptr<Pass> createWalkPointersPass(int64_t mostPointers) { return std::make_unique<WalkPointers>(mostPointers); }

} // namespace kv
