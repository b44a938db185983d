// What a tolerance could hide: one token lost, doubled or swapped, one row of many, one split. Each is planted in mock kernels, in
// sequences of 17 to 32768 tokens of each kind of input, beside needles, and must be seen under every class of accuracy; the same
// kernels without it pass.
#include "tests/unit/reference/MockKernel.h"
#include "tests/unit/reference/VerifySpec.h"
#include "tools/kvcc/VerifyOutput.h"

#include "gtest/gtest.h"

using namespace kv;

namespace {

constexpr int64_t page = 16, queries = 5;

/// A batch of an ordinary sequence and one of needles, and what the interpreter makes of them.
struct Batch {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  ModuleSpec read;
  KernelSpec attend;
  Scenario scenario;
  std::vector<SequenceData> sequences;
  int64_t split;

  Batch(const Spec &spec, InputKind kind, int64_t length, uint64_t seed)
      : module(parseModule(spec.text())), read(readModule(*module)), split(length > 1000 ? 256 : 64) {
    scenario.kind = kind;
    scenario.sequences = {{length, queries, false}, {length, queries, true}};
    auto function = module->lookupSymbol<mlir::func::FuncOp>("c_a");
    for (const KernelSpec &kernel : read.kernels)
      if (kernel.name == "c_a")
        attend = kernel;
    Random random(seed);
    for (SequenceShape shape : scenario.sequences) {
      sequences.push_back(makeSequence(read.caches[0], attend, scenario, shape, {}, split, random));
      SequenceData &data = sequences.back();
      Tensor query{{queries, attend.headsQ, spec.dimK}, {data.q.begin(), data.q.end()}};
      auto results = interpret(function, data.reference, query, &data.sizes);
      EXPECT_TRUE(bool(results));
      data.output = (*results)[0];
      data.lse = (*results)[1];
    }
  }

  /// What checkOutput says, for each class, of kernels with this fault.
  std::vector<std::optional<std::string>> check(Fault fault, int64_t token) const {
    mockKernels(read, fault, split, /*queryBlock=*/2, token);
    LocalExecution execution([](llvm::StringRef name) -> llvm::Expected<const kv_kernel *> { return mockKernel(name); });
    Random random(7);
    VerifyBatch batch(execution, read.caches[0], sequences, random);
    for (size_t b = 0; b < sequences.size(); ++b)
      PageImage(read.caches[0].type).write(sequences[b].reference, 0, sequences[b].shape.length, batch.memory(int64_t(b)));
    StepOutput output;
    EXPECT_EQ(batch.attend(findRow(mockKernel("c_a"), "mock"), {}, Drive::alone, output), "");
    std::vector<std::optional<std::string>> found;
    for (Accuracy accuracy : {Accuracy::exact, Accuracy::high, Accuracy::fast}) {
      KernelSpec spec = attend;
      spec.accuracy = accuracy;
      VerifyRow row;
      found.push_back(checkOutput(spec, scenario.kind, sequences, output, row));
      EXPECT_EQ(found.back().has_value(), row.error > row.tolerance || row.lseError > row.lseTolerance);
    }
    return found;
  }
};

const char *const kinds[] = {"normal", "outliers", "peaky"}, *const classes[] = {"exact", "high", "fast"};

/// Shapes of 1 and of several heads a group, few channels and many, f16 and integer codes.
std::vector<Spec> specs() {
  Spec small, wide, plain;
  small.headsQ = 2;
  small.heads = 1;
  small.dimK = small.dimV = 8;
  small.key = "#kv.codec<i8, group = 8, sym, scale = f16>";
  wide.dimK = wide.dimV = 72;
  wide.key = "#kv.codec<i4, group = 24, asym, scale = f32>";
  wide.query = wide.output = "bf16";
  plain.key = plain.value = "#kv.codec<f16>";
  plain.query = plain.output = "f16";
  plain.mask = "all";
  return {small, wide, plain};
}

struct Planted : testing::TestWithParam<int64_t> {};

TEST_P(Planted, IsSeenUnderEveryClass) {
  const int64_t length = GetParam();
  std::vector<Spec> all = specs();
  if (length > 600)
    all.resize(1); // mock kernels are slow
  for (auto [s, spec] : llvm::enumerate(all))
    for (InputKind kind : {InputKind::normal, InputKind::outliers, InputKind::peaky}) {
      const Batch batch(spec, kind, length, uint64_t(length) + s);
      auto expect = [&](const char *name, Fault fault, int64_t token, bool seen) {
        for (auto [found, accuracy] : llvm::zip(batch.check(fault, token), classes))
          EXPECT_EQ(found.has_value(), seen) << name << ", token " << token << " of " << length << ", spec " << s << ", "
                                             << kinds[int(kind)] << ", " << accuracy << ": " << found.value_or("nothing");
      };
      expect("none", Fault::none, 0, false);
      const int64_t edge = (length - 1) / page * page, middle = length / 2;
      for (int64_t token : {int64_t(0), middle, edge - 1, edge, length - 1}) {
        expect("lost", Fault::lostToken, token, true);
        expect("doubled", Fault::doubledToken, token, true);
        if (token + 1 < length)
          expect("swapped", Fault::swappedValues, token, true);
      }
      expect("lost third", Fault::lostThird, 0, true);
      expect("zeroed row", Fault::zeroedRow, 0, true);
      expect("lse off", Fault::lseOff, 0, true);
      if (spec.mask == "causal")
        expect("mask", Fault::maskIgnored, 0, true);
      if (length > batch.split)
        expect("split twice", Fault::doubledSplit, 0, true);
    }
}

INSTANTIATE_TEST_SUITE_P(Lengths, Planted, testing::Values(17, 64, 257, 600, 1030, 6001, 32768));

} // namespace
