#include "compiler/reference/Interpreter.h"

#include "compiler/reference/Score.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kv {
namespace {

/// Reads a score or mask region as a function over columns of keys; none where there is no region.
template <typename Arrays> llvm::Expected<ScoreFunction> readScore(Region &region, Arrays arrays) {
  if (region.empty())
    return ScoreFunction();
  auto program = ScoreProgram::build(region, arrays);
  if (!program)
    return program.takeError();
  return ScoreFunction([program = std::make_shared<ScoreProgram>(std::move(*program))](
                           int64_t head, int64_t i, MutableArrayRef<double> scores) { program->run(head, i, scores); });
}

class Interpreter {
public:
  Interpreter(Reference &cache) : cache(cache) {}

  llvm::Expected<std::vector<Tensor>> run(func::FuncOp function, ArrayRef<Tensor> arguments);

  RowSizes sizes; ///< of the last attend

private:
  llvm::Error append(Operation *op, Value keys, Value values);
  template <typename AttendLike> llvm::Error attend(AttendLike op);
  llvm::Error merge(MergeOp op);

  static llvm::Error fail(Operation *op, const llvm::Twine &why) {
    return llvm::createStringError("`" + op->getName().getStringRef() + "`: " + why);
  }
  void define(Value output, Value lse, AttendResult result, ArrayRef<int64_t> shape);

  Reference &cache;
  DenseMap<Value, Tensor> tensors;
};

bool fits(const Tensor &tensor, RankedTensorType type) {
  if (int64_t(tensor.shape.size()) != type.getRank())
    return false;
  int64_t count = 1;
  for (auto [have, want] : llvm::zip(tensor.shape, type.getShape())) {
    if (!ShapedType::isDynamic(want) && have != want)
      return false;
    count *= have;
  }
  return count == int64_t(tensor.data.size());
}

llvm::Expected<std::vector<Tensor>> Interpreter::run(func::FuncOp function, ArrayRef<Tensor> arguments) {
  if (function.isExternal() || function.getNumArguments() != arguments.size() + 1 ||
      !isa<CacheType>(function.getArgument(0).getType()))
    return fail(function, "expected a cache and " + llvm::Twine(arguments.size()) + " tensors");
  for (auto [i, tensor] : llvm::enumerate(arguments)) {
    BlockArgument argument = function.getArgument(unsigned(i) + 1);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !fits(tensor, type))
      return fail(function, "argument " + llvm::Twine(i + 1) + " does not fit its type");
    tensors[argument] = tensor;
  }
  for (Operation &op : function.front()) {
    if (auto result = dyn_cast<func::ReturnOp>(op)) {
      std::vector<Tensor> results;
      for (Value operand : result.getOperands())
        results.push_back(tensors.lookup(operand));
      return results;
    }
    llvm::Error error =
        llvm::TypeSwitch<Operation *, llvm::Error>(&op)
            .Case([&](AppendOp append) { return this->append(append, append.getKeys(), append.getValues()); })
            .Case([&](AttendOp attend) { return this->attend(attend); })
            .Case([&](AppendAttendOp both) {
              if (llvm::Error error = append(both, both.getKeys(), both.getValues()))
                return error;
              return attend(both);
            })
            .Case([&](MergeOp merge) { return this->merge(merge); })
            .Case([&](arith::ConstantOp) { return llvm::Error::success(); })
            .Default([&](Operation *op) { return fail(op, "is no operation of level 0"); });
    if (error)
      return std::move(error);
  }
  return fail(function, "does not return");
}

llvm::Error Interpreter::append(Operation *op, Value keys, Value values) {
  const Tensor &k = tensors[keys], &v = tensors[values];
  if (k.shape[0] != v.shape[0])
    return fail(op, "expected as many keys as values");
  std::vector<float> keyData(k.data.begin(), k.data.end()), valueData(v.data.begin(), v.data.end());
  cache.append(k.shape[0], keyData.data(), valueData.data());
  return llvm::Error::success();
}

void Interpreter::define(Value output, Value lse, AttendResult result, ArrayRef<int64_t> shape) {
  tensors[output] = {{shape[0], shape[1], shape[2]}, std::move(result.output)};
  if (lse)
    tensors[lse] = {{shape[0], shape[1]}, std::move(result.lse)};
}

template <typename AttendLike> llvm::Error Interpreter::attend(AttendLike op) {
  const Tensor &query = tensors[op.getQuery()];
  AttendProblem problem;
  problem.queries = query.shape[0];
  problem.headsQ = query.shape[1];
  problem.query = query.data.data();
  problem.scale = op.getScale().convertToDouble();
  if (problem.queries > cache.length())
    return fail(op, "expected at most as many queries as tokens in the cache");
  auto arrays = [&](Value array) {
    auto tensor = tensors.find(array);
    return tensor == tensors.end() ? std::vector<double>() : tensor->second.data;
  };
  auto mask = readScore(op.getMask(), arrays), score = readScore(op.getScore(), arrays);
  for (auto *each : {&mask, &score})
    if (!*each)
      return each->takeError();
  problem.mask = std::move(*mask);
  if (op.getSinks())
    problem.sinks = arrays(op.getSinks());
  problem.score = std::move(*score);
  AttendResult result = kv::attend(cache, problem);
  sizes = {std::move(result.spread), std::move(result.reach), std::move(result.sinkShare)};
  define(op.getOutput(), op.getLse(), std::move(result), {problem.queries, problem.headsQ, cache.value.dim});
  return llvm::Error::success();
}

llvm::Error Interpreter::merge(MergeOp op) {
  AttendResult a{tensors[op.getOutputA()].data, tensors[op.getLseA()].data};
  AttendResult b{tensors[op.getOutputB()].data, tensors[op.getLseB()].data};
  std::vector<int64_t> shape = tensors[op.getOutputA()].shape;
  if (shape.size() != 3 || a.output.size() != b.output.size() || a.lse.size() != b.lse.size())
    return fail(op, "expected two results of one shape");
  define(op.getOutput(), op.getLse(), kv::merge(a, b), shape);
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::vector<Tensor>> interpret(func::FuncOp function, Reference &cache, ArrayRef<Tensor> arguments,
                                              RowSizes *sizes) {
  Interpreter interpreter(cache);
  auto results = interpreter.run(function, arguments);
  if (sizes)
    *sizes = std::move(interpreter.sizes);
  return results;
}

llvm::Expected<ScoreFunction> scoreFunction(func::FuncOp function, ArrayRef<Tensor> arguments) {
  auto arrays = [&](Value array) {
    auto argument = dyn_cast<BlockArgument>(array);
    return argument ? arguments[argument.getArgNumber() - 1].data : std::vector<double>();
  };
  for (auto op : function.getOps<AttendOp>())
    return readScore(op.getScore(), arrays);
  return ScoreFunction();
}

} // namespace kv
