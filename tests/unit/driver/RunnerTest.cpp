// Kernels in a process of their own: what they do comes back, and so does whatever becomes of the process.
#include "kv/kv.h"
#include "tools/kvcc/RunnerBuild.h"
#include "tools/kvcc/RunnerExecution.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/TargetParser/Host.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

using namespace kv;

namespace {

std::string message(llvm::Error error) { return llvm::toString(std::move(error)); }

/// A runner on this machine that holds the kernel of faulty.c.
struct Runner : testing::Test {
  static void SetUpTestSuite() {
    auto made = RunnerBuild::create({"env", KV_C_COMPILER}, llvm::sys::getProcessTriple());
    if (!made)
      FAIL() << message(made.takeError());
    build = std::move(*made);
    auto object = llvm::MemoryBuffer::getFile(KV_FAULTY_OBJECT);
    ASSERT_TRUE(object);
    auto linked = build->link({{"faulty.o", (*object)->getBuffer().str()}}, {"faulty"});
    if (!linked)
      FAIL() << message(linked.takeError());
    command = *linked;
  }
  static void TearDownTestSuite() { build.reset(); }

  void SetUp() override {
    ASSERT_TRUE(build);
    start(build->seconds());
  }

  void start(int seconds) {
    auto started = RunnerExecution::start(command, seconds);
    if (!started)
      FAIL() << message(started.takeError());
    execution = std::move(*started);
    auto found = execution->kernel("faulty");
    if (!found)
      FAIL() << message(found.takeError());
    kernel = *found;
    plain = &kernel->variants[1];
  }

  /// Memory that the runner sees.
  template <typename T> T *shared(size_t count) {
    auto *memory = static_cast<T *>(execution->memory()->allocate(count * sizeof(T), 64));
    std::fill(memory, memory + count, T());
    return memory;
  }

  /// A step of three sequences of 20 tokens whose kernel does what `order` says.
  kv_step makeStep(char order) {
    kv_step step;
    kv_step_init(&step);
    auto *pages = shared<char>(6 * 128);
    pages[0] = order;
    auto *starts = shared<int32_t>(4), *lengths = shared<int32_t>(3), *table = shared<int32_t>(6);
    auto *q = shared<float>(3), *o = shared<float>(3);
    for (int32_t b = 0; b < 3; ++b) {
      starts[b + 1] = b + 1;
      lengths[b] = 20;
      table[2 * b] = 2 * b;
      table[2 * b + 1] = 2 * b + 1;
      q[b] = float(b);
    }
    step.pages = pages;
    step.page_stride = 128;
    step.num_pages = 6;
    step.num_seqs = 3;
    step.query_start_loc = starts;
    step.seq_lens = lengths;
    step.block_table = table;
    step.block_table_stride = 2;
    step.q.data = q;
    step.q.token_stride = step.q.head_stride = 1;
    step.o.data = o;
    step.o.token_stride = step.o.head_stride = 1;
    step.workspace = shared<char>(4096);
    step.workspace_bytes = 4096;
    return step;
  }

  std::string run(char order, Drive drive = Drive::alone) { return execution->run({kernel, plain}, makeStep(order), drive); }

  static std::unique_ptr<RunnerBuild> build;
  static std::vector<std::string> command;
  std::unique_ptr<RunnerExecution> execution;
  const kv_kernel *kernel = nullptr;
  const kv_variant *plain = nullptr;
};
std::unique_ptr<RunnerBuild> Runner::build;
std::vector<std::string> Runner::command;

TEST_F(Runner, WritesWhereTheStepSays) {
  for (Drive drive : {Drive::alone, Drive::parts, Drive::pool}) {
    kv_step step = makeStep(0);
    EXPECT_EQ(execution->run({kernel, plain}, step, drive), "");
    for (int b = 0; b < 3; ++b)
      EXPECT_EQ(static_cast<const float *>(step.o.data)[b], float(b + 1));
  }
}

TEST_F(Runner, HasTheDescriptors) {
  EXPECT_EQ(kernel->page_bytes, 128);
  EXPECT_EQ(kernel->struct_size, sizeof(kv_kernel));
  EXPECT_STREQ(plain->target, "plain");
  EXPECT_EQ(plain->scratch_bytes, 128);
  EXPECT_NE(message(execution->kernel("other").takeError()).find("`other`"), std::string::npos);
}

TEST_F(Runner, SaysWhatItsRuntimeSays) {
  kv_step step = makeStep(0);
  step.num_seqs = -4;
  EXPECT_NE(execution->run({kernel, plain}, step, Drive::alone).find("-4"), std::string::npos);
  std::string problem;
  EXPECT_EQ(execution->workspaceBytes({kernel, plain}, step, Drive::alone, problem), -1);
  EXPECT_NE(problem.find("-4"), std::string::npos) << problem;
  step.num_seqs = 3;
  for (Drive drive : {Drive::alone, Drive::parts, Drive::pool})
    EXPECT_EQ(execution->workspaceBytes({kernel, plain}, step, drive, problem), 128 * kv_drive_threads(kv_drive(drive)));
}

TEST_F(Runner, KnowsItsProcessor) {
  EXPECT_EQ(execution->refusal("plain"), "");
  EXPECT_EQ(execution->refusal("future"), "variant future of faulty needs bit 63, which this processor lacks");
  EXPECT_NE(execution->refusal("other"), "");
}

TEST_F(Runner, StartsAgainAfterACrash) {
  EXPECT_EQ(run('c'), "the runner was ended by signal 11 (Segmentation fault)");
  EXPECT_EQ(run(0), "");
  EXPECT_EQ(run('e'), "the runner ended with exit code 3");
  EXPECT_EQ(run(0), "");
  EXPECT_EQ(run('p'), "the runner wrote on its standard output, which is for answers");
  EXPECT_EQ(run(0), "");
  EXPECT_FALSE(execution->lost());
}

TEST_F(Runner, IsLostAfterAHang) {
  start(1);
  EXPECT_EQ(run('h'), "the runner gave no answer in 1 s");
  EXPECT_TRUE(execution->lost());
  auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(run('h'), "the runner gave no answer before");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(500));
}

TEST_F(Runner, RefusesAMailboxOfOtherSources) {
  auto arena = SharedArena::create(KV_MAILBOX_BYTES, KV_MAILBOX_BYTES);
  ASSERT_TRUE(bool(arena)) << message(arena.takeError());
  std::vector<std::string> words = command;
  words.push_back(std::to_string((*arena)->file()));
  words.push_back(llvm::utohexstr(reinterpret_cast<uintptr_t>((*arena)->base())));
  words.push_back(std::to_string((*arena)->bytes()));
  auto *mailbox = reinterpret_cast<kv_mailbox *>((*arena)->base());
  RunnerProcess process(60);
  mailbox->layout = KV_MAILBOX_LAYOUT + 8;
  EXPECT_EQ(process.start(words) + process.wait(), "the runner ended with exit code 5");
  mailbox->layout = KV_MAILBOX_LAYOUT;
  EXPECT_EQ(process.start(words) + process.wait(), "");
}

TEST_F(Runner, SeesMemoryThatWasAddedLater) {
  const size_t many = size_t(100) << 20;
  auto *large = static_cast<char *>(execution->memory()->allocate(many, 64));
  kv_step step = makeStep(0);
  step.o.data = large + many - 64;
  EXPECT_EQ(execution->run({kernel, plain}, step, Drive::alone), "");
  EXPECT_EQ(*static_cast<const float *>(step.o.data), 1.0f);
}

TEST(RunnerBuild, LeavesNothing) {
  std::vector<std::string> linked;
  {
    auto build = RunnerBuild::create({"env", KV_C_COMPILER}, llvm::sys::getProcessTriple());
    ASSERT_TRUE(bool(build)) << message(build.takeError());
    auto command = (*build)->link({}, {});
    ASSERT_TRUE(bool(command)) << message(command.takeError());
    linked = *command;
    EXPECT_EQ(linked.size(), 2u);
    EXPECT_TRUE(std::filesystem::exists(linked[1]));
  }
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(linked[1]).parent_path()));
}

TEST(SharedArena, GivesBackWhatIsFreed) {
  auto made = SharedArena::create(1 << 16, 4096);
  ASSERT_TRUE(bool(made)) << message(made.takeError());
  SharedArena &arena = **made;
  std::vector<void *> pieces;
  for (size_t i = 0; i < 9; ++i)
    pieces.push_back(arena.allocate(1000 + i, 64));
  EXPECT_EQ(pieces[0], arena.base() + 4096);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces[i]) % 64, 0u);
    if (i)
      EXPECT_GE(static_cast<char *>(pieces[i]), static_cast<char *>(pieces[i - 1]) + 1000 + i - 1);
  }
  // In an order that joins holes before, after and on both sides.
  for (size_t i : {1, 0, 3, 5, 4, 2, 8, 7, 6})
    arena.deallocate(pieces[i], 1000 + i, 64);
  EXPECT_EQ(arena.allocate((1 << 16) - 4096, 64), arena.base() + 4096) << "one hole again";
  EXPECT_EQ(arena.bytes(), uint64_t(1) << 16);
  EXPECT_NE(arena.allocate(1, 64), nullptr);
  EXPECT_GT(arena.bytes(), uint64_t(1) << 16);
}

} // namespace
