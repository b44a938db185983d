// Archives, depfiles, and files that appear all together or not at all.
#include "compiler/driver/Artifacts.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace fs = std::filesystem;
using namespace kv;

namespace {

class Folder {
public:
  Folder() {
    llvm::SmallString<128> made;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("kvcc-test", made));
    path = made.str().str();
  }
  ~Folder() { fs::remove_all(path); }

  std::string operator/(const std::string &name) const { return path + "/" + name; }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto &entry : fs::directory_iterator(path))
      result.push_back(entry.path().filename().string());
    std::sort(result.begin(), result.end());
    return result;
  }

  std::string path;
};

std::string contents(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

std::string message(llvm::Error error) { return llvm::toString(std::move(error)); }

TEST(Archive, SameObjectsGiveTheSameBytes) {
  std::vector<ObjectFile> objects = {{"a.o", "one"}, {"b.o", "two"}};
  auto first = makeArchive(objects, ""), second = makeArchive(objects, "");
  ASSERT_TRUE(bool(first));
  ASSERT_TRUE(bool(second));
  EXPECT_EQ(*first, *second);
  EXPECT_EQ(first->substr(0, 8), "!<arch>\n");
}

TEST(Depfile, EscapesWhatMakeWouldRead) {
  EXPECT_EQ(makeDepfile({"out/lib x.a"}, {"a b.kv", "c$d#.kv"}), "out/lib\\ x.a: \\\n  a\\ b.kv \\\n  c$$d\\#.kv\n");
}

TEST(WriteFiles, WritesAllAndMakesFolders) {
  Folder folder;
  EXPECT_EQ(message(writeFiles({{folder / "deep/er/one", "1"}, {folder / "two", "2"}})), "");
  EXPECT_EQ(contents(folder / "deep/er/one"), "1");
  EXPECT_EQ(contents(folder / "two"), "2");
  EXPECT_EQ(message(writeFiles({{folder / "two", "changed"}})), "");
  EXPECT_EQ(contents(folder / "two"), "changed");
}

TEST(WriteFiles, AnErrorChangesNothing) {
  Folder folder;
  ASSERT_EQ(message(writeFiles({{folder / "one", "old"}})), "");
  // The second file cannot be: a file stands where its folder should.
  std::string problem = message(writeFiles({{folder / "one", "new"}, {folder / "one/two", "2"}}));
  EXPECT_NE(problem.find("cannot"), std::string::npos) << problem;
  EXPECT_EQ(contents(folder / "one"), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"one"});
}

} // namespace
