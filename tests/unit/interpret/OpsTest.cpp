// Ops of level 1, each in a small kernel: what it makes of random tiles, and what it refuses.
#include "compiler/interpret/RunKernel.h"
#include "compiler/reference/PageImage.h"
#include "dialect/KvOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

namespace kv {
namespace {

mlir::MLIRContext &context() {
  static mlir::MLIRContext *made = [] {
    auto *context = new mlir::MLIRContext(mlir::MLIRContext::Threading::DISABLED);
    context->loadDialect<KvDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::math::MathDialect,
                         mlir::LLVM::LLVMDialect, mlir::scf::SCFDialect>();
    return context;
  }();
  return *made;
}

const char *const caches = R"(
!bytes = !kv.cache<name = "c", heads = 2, keyDim = 16, valueDim = 8, key = <i8, group = 16, sym, scale = f32>,
                   value = <u4, group = 8, asym, scale = f16>, layout = <paged 16, key = "[h, t, d]", value = "[h, t, d]">>
!halves = !kv.cache<name = "h", heads = 2, keyDim = 16, valueDim = 8, key = <f16>, value = <bf16>,
                    layout = <paged 16, key = "[h, d, t]", value = "[h, t, d]">>
!ring = !kv.cache<name = "h", heads = 1, keyDim = 16, valueDim = 16, key = <f16>, value = <bf16>,
                  layout = <dense 16, key = "[h, d, t]", value = "[h, t, d]">>
)";

/// A kernel that reads `in` and writes `out`, as f32, beside a cache of 21 tokens.
struct Bench {
  std::vector<float> in, out;
  std::vector<uint8_t> pages;
  std::vector<int32_t> table = {2, 0};
  int64_t pageBytes = 0;
  std::optional<Reference> sequence;

  Bench() : in(256), out(256, NAN) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (float &number : in)
      number = normal(random);
  }

  void fill(llvm::StringRef alias) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>((caches + ("func.func private @f(" + alias + ")").str()), &context());
    auto type = mlir::cast<CacheType>((*module.get().getOps<mlir::func::FuncOp>().begin()).getArgumentTypes()[0]);
    PageImage image(type);
    pageBytes = image.map.bytes;
    pages.assign(size_t(3 * pageBytes), 0xff);
    sequence.emplace(type);
    std::vector<float> keys(21 * 2 * 16), values(21 * 2 * 8);
    std::mt19937 random(8);
    std::normal_distribution<float> normal;
    for (auto *numbers : {&keys, &values})
      for (float &number : *numbers)
        number = normal(random);
    sequence->append(21, keys.data(), values.data());
    image.write(*sequence, 0, 21, {pages.data(), pageBytes, table});
  }

  /// Runs the ops of `body`, which sees %in, %out, %pages, %stride, %table and constants %c0 to %c24 of i64. What went wrong, or
  /// "".
  std::string run(const std::string &body) {
    std::string text = caches;
    text += "func.func @k(%step: !llvm.ptr, %item: !llvm.ptr) {\n";
    for (int64_t number : {0, 1, 2, 4, 5, 8, 16, 21, 24})
      text += "%c" + std::to_string(number) + " = arith.constant " + std::to_string(number) + " : i64\n";
    text += "%in = kv.step q : !llvm.ptr\n%out = kv.step o : !llvm.ptr\n%pages = kv.step pages : !llvm.ptr\n"
            "%stride = kv.step page_stride : i64\n%table = kv.step block_table : !llvm.ptr\n%zero = arith.constant 0.0 : f32\n" +
            body + "\nreturn\n}\n";
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context());
    if (!module)
      return "the text is wrong";
    kv_step step = {};
    step.q.data = in.data();
    step.o.data = out.data();
    step.pages = pages.data();
    step.page_stride = pageBytes;
    step.block_table = table.data();
    kv_item item = {};
    KernelMemory memory;
    memory.read(in.data(), int64_t(in.size() * sizeof(float)));
    memory.write(out.data(), int64_t(out.size() * sizeof(float)));
    memory.read(pages.data(), int64_t(pages.size()));
    memory.read(table.data(), int64_t(table.size() * sizeof(int32_t)));
    return llvm::toString(runKernel(module->lookupSymbol<mlir::func::FuncOp>("k"), step, item, memory));
  }
};

const char *const acquire =
    "%block = kv.acquire %pages by %stride, %table[%c16, %c5] head %c1 : !llvm.ptr, !llvm.ptr -> !kv.block<16 of !halves>\n";
const char *const acquireBytes =
    "%block = kv.acquire %pages by %stride, %table[%c0, %c16] head %c1 : !llvm.ptr, !llvm.ptr -> !kv.block<16 of !bytes>\n";
/// Two rows of sixteen floats in scratch.
const char *const rows = R"(
  %q = kv.scratch "q" : memref<2x16xf32>
  %row0 = kv.load %in[%c0] as f32 : !llvm.ptr -> tensor<1x16xf32>
  %row1 = kv.load %in[%c16] as f32 : !llvm.ptr -> tensor<1x16xf32>
  kv.store %row0 to %q[%c0, %c0] : tensor<1x16xf32>, memref<2x16xf32>
  kv.store %row1 to %q[%c1, %c0] : tensor<1x16xf32>, memref<2x16xf32>
)";
/// Saves %tile, [2, 8], through scratch.
const char *const saveTile = R"(
  %saved = kv.scratch "saved" : memref<2x8xf32>
  kv.store %tile to %saved[%c0, %c0] : tensor<2x8xf32>, memref<2x8xf32>
  %saved0 = kv.fetch %saved[%c0, %c0] : memref<2x8xf32> -> tensor<1x8xf32>
  %saved1 = kv.fetch %saved[%c1, %c0] : memref<2x8xf32> -> tensor<1x8xf32>
  kv.save %saved0 to %out[%c0] as f32 : tensor<1x8xf32>, !llvm.ptr
  kv.save %saved1 to %out[%c8] as f32 : tensor<1x8xf32>, !llvm.ptr
)";

TEST(InterpretOps, ElementsOfTiles) {
  Bench bench;
  EXPECT_EQ(bench.run(R"(
    %x = kv.load %in[%c0] as f32 : !llvm.ptr -> tensor<1x8xf32>
    %y = kv.load %in[%c8] as f32 : !llvm.ptr -> tensor<1x8xf32>
    %less = arith.cmpf olt, %x, %y : tensor<1x8xf32>
    %product = math.fma %x, %y, %y : tensor<1x8xf32>
    %bits = arith.bitcast %x : tensor<1x8xf32> to tensor<1x8xi32>
    %one = arith.constant dense<1> : tensor<1x8xi32>
    %next = arith.addi %bits, %one : tensor<1x8xi32>
    %above = arith.bitcast %next : tensor<1x8xi32> to tensor<1x8xf32>
    %chosen = arith.select %less, %product, %above : tensor<1x8xi1>, tensor<1x8xf32>
    kv.save %chosen to %out[%c0] as f32 : tensor<1x8xf32>, !llvm.ptr)"),
            "");
  for (size_t i = 0; i < 8; ++i) {
    const float x = bench.in[i], y = bench.in[8 + i];
    EXPECT_EQ(bench.out[i], x < y ? std::fma(x, y, y) : std::nextafter(x, x > 0 ? INFINITY : -INFINITY)) << i;
  }
}

TEST(InterpretOps, ShapesAndReductions) {
  Bench bench;
  EXPECT_EQ(bench.run(std::string(rows) + R"(
    %all = kv.fetch %q[%c0, %c0] : memref<2x16xf32> -> tensor<2x16xf32>
    %greatest = kv.reduce max %all : tensor<2x16xf32> -> tensor<2xf32>
    %down = kv.spread %greatest along 0 : tensor<2xf32> -> tensor<2x8xf32>
    %start = arith.constant 3 : i32
    %index = kv.index %start : tensor<8xi32>
    %count = arith.sitofp %index : tensor<8xi32> to tensor<8xf32>
    %across = kv.spread %count along 1 : tensor<8xf32> -> tensor<2x8xf32>
    %tile = arith.subf %down, %across : tensor<2x8xf32>)" +
                      saveTile),
            "");
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(bench.out[i], *std::max_element(&bench.in[i / 8 * 16], &bench.in[i / 8 * 16] + 16) - float(3 + i % 8)) << i;
}

TEST(InterpretOps, LoopsCarryTilesAndBranchesYieldThem) {
  Bench bench;
  EXPECT_EQ(bench.run(R"(
    %none = kv.spread %zero along 0 : f32 -> tensor<1x8xf32>
    %sum = scf.for %i = %c0 to %c24 step %c8 iter_args(%so_far = %none) -> (tensor<1x8xf32>) : i64 {
      %x = kv.load %in[%i] as f32 : !llvm.ptr -> tensor<1x8xf32>
      %isFirst = arith.cmpi eq, %i, %c0 : i64
      %added = scf.if %isFirst -> (tensor<1x8xf32>) {
        scf.yield %so_far : tensor<1x8xf32>
      } else {
        %both = arith.addf %so_far, %x : tensor<1x8xf32>
        scf.yield %both : tensor<1x8xf32>
      }
      scf.yield %added : tensor<1x8xf32>
    }
    kv.save %sum to %out[%c0] as f32 : tensor<1x8xf32>, !llvm.ptr)"),
            "");
  for (size_t i = 0; i < 8; ++i)
    EXPECT_EQ(bench.out[i], bench.in[8 + i] + bench.in[16 + i]);
}

TEST(InterpretOps, ProductsOfChannelsAndOfTokens) {
  Bench bench;
  bench.fill("!halves");
  const std::string product = R"(
    %init = kv.spread %zero along 0 : f32 -> tensor<2x8xf32>
    %tile = kv.product %q[%c0], key f32 of %block contract d at %c0 over [%c4, %c16) unroll 1 init %init
            : memref<2x16xf32>, !kv.block<16 of !halves> -> tensor<2x8xf32>)";
  EXPECT_EQ(bench.run(std::string(acquire) + rows + product + saveTile), "");
  for (size_t i = 0; i < 16; ++i) {
    double want = 0;
    for (size_t d = 4; d < 16; ++d)
      want += double(bench.in[i / 8 * 16 + d]) * double(bench.sequence->key.decoded(16 + int64_t(i) % 8, 1)[d]);
    if (i % 8 < 5)
      EXPECT_EQ(bench.out[i], float(want)) << i;
    else
      EXPECT_TRUE(std::isnan(bench.out[i])) << i; // there is no such token
  }
  const std::string limited = R"(
    %init = kv.spread %zero along 0 : f32 -> tensor<2x8xf32>
    %tile = kv.product %q[%c0], value f32 of %block contract t at %c0 over [%c0, %c5) unroll 1 init %init limits [%c4, %c5]
            starts [%c1, %c2] : memref<2x16xf32>, !kv.block<16 of !halves> -> tensor<2x8xf32>)";
  EXPECT_EQ(bench.run(std::string(acquire) + rows + limited + saveTile), "");
  for (size_t i = 0; i < 16; ++i) {
    double want = 0;
    for (size_t t = i < 8 ? 1 : 2; t < (i < 8 ? 4u : 5u); ++t)
      want += double(bench.in[i / 8 * 16 + t]) * double(bench.sequence->value.decoded(16 + int64_t(t), 1)[i % 8]);
    EXPECT_EQ(bench.out[i], float(want)) << i;
  }
}

TEST(InterpretOps, ProductsOfRoundedRows) {
  Bench bench;
  bench.fill("!bytes");
  EXPECT_EQ(bench.run(std::string(acquireBytes) + rows + R"(
    %words = kv.scratch "words" : memref<2x4xi32>
    %scale = arith.constant 30.0 : f32
    %scales = kv.spread %scale along 0 : f32 -> tensor<2x16xf32>
    %all = kv.fetch %q[%c0, %c0] : memref<2x16xf32> -> tensor<2x16xf32>
    %large = arith.mulf %all, %scales : tensor<2x16xf32>
    kv.pack %large to %words[%c0, %c0] for key u8s8 of !bytes : tensor<2x16xf32>, memref<2x4xi32>
    %nothing = arith.constant 0 : i32
    %init = kv.spread %nothing along 0 : i32 -> tensor<2x8xi32>
    %units = kv.product %words[%c0], key u8s8 of %block contract d at %c8 over [%c0, %c16) unroll 1 init %init
             : memref<2x4xi32>, !kv.block<16 of !bytes> -> tensor<2x8xi32>
    %tile = arith.sitofp %units : tensor<2x8xi32> to tensor<2x8xf32>)" +
                      saveTile),
            "");
  for (size_t i = 0; i < 16; ++i) {
    double want = 0;
    for (size_t d = 0; d < 16; ++d) { // u8s8 takes codes that are shifted to be no less than 0
      const auto code = int8_t(bench.sequence->key.code(8 + int64_t(i) % 8, 1, int64_t(d)));
      want += std::nearbyint(bench.in[i / 8 * 16 + d] * 30.0f) * double(code + 128);
    }
    EXPECT_EQ(bench.out[i], float(want)) << i;
  }
}

/// What a product takes of a stream: what elements stand for, their numbers, or codes as a record has them.
TEST(InterpretOps, FormsOfProducts) {
  Bench bench;
  bench.fill("!bytes");
  auto product = [&](const std::string &form) {
    return bench.run(std::string(acquireBytes) + rows + R"(
      %init = kv.spread %zero along 0 : f32 -> tensor<2x8xf32>
      %tile = kv.product %q[%c0], key f32)" +
                     form + R"( of %block contract d at %c0 over [%c0, %c16) unroll 1 init %init
              : memref<2x16xf32>, !kv.block<16 of !bytes> -> tensor<2x8xf32>)" +
                     saveTile);
  };
  const StoredStream &keys = bench.sequence->key;
  auto expect = [&](llvm::function_ref<double(int64_t token, int64_t channel)> element) {
    for (size_t i = 0; i < 16; ++i) {
      double want = 0;
      for (size_t d = 0; d < 16; ++d)
        want += double(bench.in[i / 8 * 16 + d]) * element(int64_t(i) % 8, int64_t(d));
      EXPECT_EQ(bench.out[i], float(want)) << i;
    }
  };
  EXPECT_EQ(product(" as values"), "");
  expect([&](int64_t token, int64_t d) { return keys.decoded(token, 1)[size_t(d)]; });
  EXPECT_EQ(product(" as numbers"), "");
  expect([&](int64_t token, int64_t d) { return int8_t(keys.code(token, 1, d)); });
  EXPECT_EQ(product(""), ""); // the record f32 has them as they are
  expect([&](int64_t token, int64_t d) { return int8_t(keys.code(token, 1, d)); });
}

TEST(InterpretOps, WeightsBecomeRowsOfProducts) {
  Bench bench;
  bench.fill("!bytes");
  EXPECT_EQ(bench.run(std::string(acquireBytes) + rows + R"(
    %p = kv.scratch "p" : memref<2x8xf32>
    %left = kv.fetch %q[%c0, %c0] : memref<2x16xf32> -> tensor<2x4xf32>
    %right = kv.fetch %q[%c0, %c4] : memref<2x16xf32> -> tensor<2x4xf32>
    %w:2 = kv.weigh %left, %right for value of %block group %c0 : tensor<2x4xf32>, tensor<2x4xf32> of !kv.block<16 of !bytes>
           -> tensor<2x4xf32>, tensor<2x4xf32>
    kv.operands %w#0, %w#1 to %p[%c0] for value of !bytes lift 4.0 : tensor<2x4xf32>, tensor<2x4xf32> to memref<2x8xf32>
    %tile = kv.fetch %p[%c0, %c0] : memref<2x8xf32> -> tensor<2x8xf32>)" +
                      saveTile),
            "");
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(bench.out[i], bench.in[i / 8 * 16 + i % 8] / 4) << i;
}

TEST(InterpretOps, AnotherMapIsTheSameTile) {
  Bench bench;
  EXPECT_EQ(bench.run(std::string(rows) + R"(
    %wide = kv.fetch %q[%c0, %c0] : memref<2x16xf32> -> tensor<2x8xf32, #kv.tile<lanes = 8, dim = 1>>
    %tall = kv.relayout %wide : tensor<2x8xf32, #kv.tile<lanes = 8, dim = 1>> -> tensor<2x8xf32, #kv.tile<lanes = 2, dim = 0>>
    %turned = kv.scratch "turned" : memref<2x8xf32>
    kv.store %tall to %turned[%c0, %c0] : tensor<2x8xf32, #kv.tile<lanes = 2, dim = 0>>, memref<2x8xf32>
    %tile = kv.fetch %turned[%c0, %c0] : memref<2x8xf32> -> tensor<2x8xf32>)" +
                      saveTile),
            "");
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(bench.out[i], bench.in[i / 8 * 16 + i % 8]) << i;
}

TEST(InterpretOps, WhatIsDecodedIsMultipliedAlike) {
  Bench bench;
  bench.fill("!bytes");
  EXPECT_EQ(bench.run(std::string(acquireBytes) + rows + R"(
    %numbers = kv.scratch "numbers" : memref<16x8xf32>
    %decoded = kv.decode value of %block contract t[%c0, %c0] : !kv.block<16 of !bytes> -> tensor<16x8xf32>
    kv.store %decoded to %numbers[%c0, %c0] : tensor<16x8xf32>, memref<16x8xf32>
    %init = kv.spread %zero along 0 : f32 -> tensor<2x8xf32>
    %a = kv.multiply %q[%c0], %numbers[%c0] of %block contract t over [%c0, %c16) unroll 4 init %init
         : memref<2x16xf32>, memref<16x8xf32>, !kv.block<16 of !bytes> -> tensor<2x8xf32>
    %b = kv.product %q[%c0], value f32 of %block contract t at %c0 over [%c0, %c16) unroll 1 init %init
         : memref<2x16xf32>, !kv.block<16 of !bytes> -> tensor<2x8xf32>
    %tile = arith.subf %a, %b : tensor<2x8xf32>)" +
                      saveTile),
            "");
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(bench.out[i], 0) << i;
}

TEST(InterpretOps, StagedBlocksAreThere) {
  Bench bench;
  bench.fill("!halves");
  PageImage ring(stagedCache(bench.sequence->type, 16));
  const std::string bytes = std::to_string(ring.map.bytes);
  auto staged = [&](const std::string &commit) {
    return std::string(acquire) + rows + "%ring = kv.scratch \"ring\" : memref<2x" + bytes +
           "xi8>\nkv.stage %block to %ring[%c1] : !kv.block<16 of !halves>, memref<2x" + bytes + "xi8>\n" + commit +
           "%mine = kv.staged %ring[%c1] pending 1 : memref<2x" + bytes + R"(xi8> -> !kv.block<16 of !ring>
      %init = kv.spread %zero along 0 : f32 -> tensor<2x8xf32>
      %a = kv.product %q[%c0], value f32 of %mine contract t at %c0 over [%c0, %c5) unroll 1 init %init
           : memref<2x16xf32>, !kv.block<16 of !ring> -> tensor<2x8xf32>
      %b = kv.product %q[%c0], value f32 of %block contract t at %c0 over [%c0, %c5) unroll 1 init %init
           : memref<2x16xf32>, !kv.block<16 of !halves> -> tensor<2x8xf32>
      %tile = arith.subf %a, %b : tensor<2x8xf32>)" +
           saveTile;
  };
  EXPECT_EQ(bench.run(staged("kv.commit\nkv.commit\n")), "");
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(bench.out[i], 0) << i;
  EXPECT_EQ(bench.run(staged("kv.commit\n")), "`kv.staged`: slot 1 is still on its way");
}

TEST(InterpretOps, RefusesWhatIsOutside) {
  Bench bench;
  bench.fill("!halves");
  EXPECT_EQ(bench.run("%lane = kv.lane"), "`kv.lane`: is no op of level 1 that the interpreter knows");
  EXPECT_EQ(bench.run("%home = kv.scratch \"acc\" : memref<2x8xf32>\n"
                      "%t = kv.fetch %home[%c0, %c0] : memref<2x8xf32> -> tensor<2x4xf32>"),
            "`kv.fetch`: nothing has written row 0, column 0 of `acc`");
  EXPECT_EQ(bench.run(std::string(rows) + "%t = kv.fetch %q[%c1, %c0] : memref<2x16xf32> -> tensor<2x4xf32>"),
            "`kv.fetch`: rows 1 to 3 are outside `q`, which has 2");
  EXPECT_EQ(bench.run("%past = llvm.getelementptr %in[1024] : (!llvm.ptr) -> !llvm.ptr, i8\n"
                      "%x = llvm.load %past : !llvm.ptr -> f32"),
            "`llvm.load`: 4 bytes are outside the kernel's memory");
  EXPECT_EQ(bench.run("llvm.store %zero, %in : f32, !llvm.ptr"),
            "`llvm.store`: 4 bytes are outside the memory that the kernel may write");
  EXPECT_EQ(bench.run("%block = kv.acquire %pages by %stride, %table[%c24, %c16] head %c1 : !llvm.ptr, !llvm.ptr -> "
                      "!kv.block<16 of !halves>"),
            "`kv.acquire`: the page of token 32 is outside the table");
  EXPECT_EQ(bench.run(std::string(acquire) + "%s = kv.decode key of %block contract d[%c8, %c0] : !kv.block<16 of !halves> -> "
                                             "tensor<16x8xf32>"),
            "`kv.decode`: elements from 8, 0 on are outside the block");
  EXPECT_EQ(bench.run("%length = kv.step seq_lens[%c0] : i64"), "`kv.step`: entry 0 is outside the array");
}

TEST(InterpretOps, RefusesWhatARecordDoesNotHold) {
  Bench bench;
  bench.fill("!bytes");
  EXPECT_EQ(bench.run(std::string(rows) + R"(
    %words = kv.scratch "words" : memref<2x4xi32>
    %scale = arith.constant 300.0 : f32
    %scales = kv.spread %scale along 0 : f32 -> tensor<2x16xf32>
    kv.pack %scales to %words[%c0, %c0] for key u8s8 of !bytes : tensor<2x16xf32>, memref<2x4xi32>)"),
            "`kv.pack`: 300 is no row operand of the record u8s8");
  EXPECT_EQ(bench.run(std::string(acquireBytes) + rows + R"(
    %init = kv.spread %zero along 0 : f32 -> tensor<2x8xf32>
    %tile = kv.product %q[%c0], value f32 of %block contract t at %c0 over [%c0, %c24) unroll 1 init %init
            : memref<2x16xf32>, !kv.block<16 of !bytes> -> tensor<2x8xf32>)"),
            "`kv.product`: elements 0 to 24 are outside the block, which has 16 tokens");
}

} // namespace
} // namespace kv
