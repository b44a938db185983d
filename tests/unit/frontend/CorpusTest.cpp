// Every wrong file of tests/lit/frontend/errors gets exactly the errors that its `// CHECK: ` lines give; every kind of error has a
// file. (lit runs the same files through kvcc.)
#include "Helpers.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"

#include <set>

namespace {

std::string read(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

std::vector<std::string> filesOf(llvm::StringRef folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::recursive_directory_iterator it(folder, error), end; it != end && !error; it.increment(error))
    if (llvm::StringRef(it->path()).ends_with(".kv") && !llvm::StringRef(it->path()).contains("Inputs"))
      files.push_back(it->path());
  std::sort(files.begin(), files.end());
  return files;
}

/// What follows `-p` and `--schedule` of a file's RUN line.
struct Command {
  kv::ParseOptions options;
  std::string schedule;

  Command(llvm::StringRef text, llvm::StringRef path) {
    llvm::SmallVector<llvm::StringRef> words;
    text.split('\n').first.split(words, ' ', -1, false);
    for (size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == "-p") {
        auto [name, value] = words[i + 1].split('=');
        options.params.emplace_back(name.str(), 0);
        EXPECT_FALSE(value.getAsInteger(10, options.params.back().second)) << path.str();
      } else if (words[i] == "--schedule") {
        llvm::StringRef rest = words[i + 1];
        EXPECT_TRUE(rest.consume_front("%S"));
        schedule = read((llvm::sys::path::parent_path(path) + rest).str());
      }
    }
  }
};

/// Errors, notes and helps without the source lines and the file's name.
std::vector<std::string> linesOf(llvm::StringRef errors) {
  llvm::SmallVector<llvm::StringRef> lines;
  errors.split(lines, '\n', -1, false);
  std::vector<std::string> result;
  for (llvm::StringRef line : lines)
    if (!line.starts_with(" "))
      result.push_back(line.drop_while([](char c) { return c != ':'; }).str());
  return result;
}

std::vector<std::string> expectedOf(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> lines;
  text.split(lines, '\n', -1, false);
  std::vector<std::string> result;
  for (llvm::StringRef line : lines)
    if (line.consume_front("// CHECK: "))
      result.push_back(line.drop_while([](char c) { return c != ':'; }).str());
  return result;
}

TEST(Corpus, EveryWrongFileGetsItsErrors) {
  // What only the driver sees, which knows targets and passes, stands in tests/lit/cli/schedule.test and tests/lit/frontend/masks.
  std::set<kv::DiagKind> seen = {kv::DiagKind::unknown_target, kv::DiagKind::schedule_refused, kv::DiagKind::mask_not_runs};
  std::vector<std::string> files = filesOf(KV_CORPUS_DIR);
  EXPECT_GE(files.size(), 60u);
  for (const std::string &path : files) {
    std::string text = read(path);
    Command command(text, path);
    Checked checked(text, command.options, command.schedule);
    EXPECT_EQ(checked.file, nullptr) << path;
    EXPECT_EQ(linesOf(checked.errors()), expectedOf(text)) << path << "\n" << checked.errors();
    for (const kv::Diagnostic *diagnostic : checked.diagnostics.sorted())
      seen.insert(diagnostic->kind);
  }
  for (kv::DiagKind kind : kv::allDiagKinds())
    EXPECT_TRUE(seen.count(kind)) << kv::diagKindName(kind).str() << " has no file in " << KV_CORPUS_DIR;
}

TEST(Corpus, MessagesFollowTheStyle) {
  for (const std::string &path : filesOf(KV_CORPUS_DIR)) {
    std::string text = read(path);
    Command command(text, path);
    Checked checked(text, command.options, command.schedule);
    for (const kv::Diagnostic *diagnostic : checked.diagnostics.sorted()) {
      EXPECT_TRUE(diagnostic->range.Start.isValid()) << path;
      EXPECT_FALSE(llvm::isUpper(diagnostic->message.front())) << diagnostic->message;
      EXPECT_NE(diagnostic->message.back(), '.') << diagnostic->message;
      EXPECT_EQ(llvm::StringRef(diagnostic->message).count('`') % 2, 0u) << diagnostic->message;
    }
  }
}

TEST(Examples, PassAndPrintAgain) {
  std::vector<std::string> files = filesOf(KV_EXAMPLES_DIR);
  EXPECT_GE(files.size(), 12u);
  for (const std::string &path : files) {
    Checked checked(read(path));
    ASSERT_EQ(checked.errors(), "") << path;
    EXPECT_EQ(Checked(checked.printed()).printed(), checked.printed()) << path;
    EXPECT_EQ(checked.emitted().find("does not verify"), std::string::npos) << path << "\n" << checked.emitted();
  }
}

} // namespace
