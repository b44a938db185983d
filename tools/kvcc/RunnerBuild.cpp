#include "tools/kvcc/RunnerBuild.h"

#include "compiler/support/Files.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/StringSaver.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <fmt/format.h>

#include <algorithm>

namespace kv {

/// The longest that a compilation may take.
static constexpr unsigned mostSeconds = 600;

static std::vector<std::string> wordsOf(llvm::StringRef text) {
  llvm::BumpPtrAllocator allocator;
  llvm::StringSaver saver(allocator);
  llvm::SmallVector<const char *> words;
  llvm::cl::TokenizeGNUCommandLine(text, saver, words);
  return {words.begin(), words.end()};
}

/// The installed sources beside the running program, else those of the tree it was built in.
static llvm::Expected<std::string> findSources() {
  static int anchor;
  llvm::SmallString<256> installed(llvm::sys::path::parent_path(llvm::sys::fs::getMainExecutable(nullptr, &anchor)));
  llvm::sys::path::append(installed, "..", "share", "kvcc");
  llvm::sys::path::remove_dots(installed, /*remove_dot_dot=*/true);
  for (llvm::StringRef folder : {llvm::StringRef(installed), llvm::StringRef(KVCC_SOURCE_DIR)})
    if (llvm::sys::fs::exists(folder + "/tools/kvcc/runner/runner.c"))
      return folder.str();
  return llvm::createStringError("the runner's sources are missing: `%s/tools/kvcc/runner` is not there", installed.c_str());
}

/// The C sources of a folder, sorted. Those for GPUs are left out: the runner is static, and cannot open a driver.
static llvm::Expected<std::vector<std::string>> cSources(const std::string &folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (llvm::sys::path::extension(entry->path()) == ".c" && !llvm::sys::path::filename(entry->path()).starts_with("gpu"))
      found.push_back(entry->path());
  if (error || found.empty())
    return llvm::createStringError("the runner's sources are missing: no C file in `%s`", folder.c_str());
  llvm::sort(found);
  return found;
}

static llvm::Error write(const std::string &path, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  stream << bytes;
  stream.close();
  if (!error)
    error = stream.error();
  if (!error)
    return llvm::Error::success();
  stream.clear_error();
  return llvm::createStringError("cannot write `%s`: %s", path.c_str(), error.message().c_str());
}

llvm::Expected<std::unique_ptr<RunnerBuild>> RunnerBuild::create(const RunnerOptions &options, llvm::StringRef tripleText) {
  std::unique_ptr<RunnerBuild> build(new RunnerBuild(options));
  build->runner = wordsOf(options.command);
  if (build->runner.empty())
    return llvm::createStringError("`--runner` names no program");
  if (!llvm::sys::findProgramByName(build->runner[0]))
    return llvm::createStringError("there is no program `%s`, which `--runner` names", build->runner[0].c_str());

  const llvm::Triple triple(tripleText);
  const std::string architecture = triple.getArchName().str();
  build->compiler = wordsOf(options.compiler);
  if (build->compiler.empty()) {
    bool native = triple.getArch() == llvm::Triple(llvm::sys::getProcessTriple()).getArch();
    build->compiler = {native ? "cc" : architecture + "-linux-gnu-gcc"};
  }
  if (!llvm::sys::findProgramByName(build->compiler[0]))
    return llvm::createStringError(
        "there is no program `%s`, which would link the runner\n  help: `--runner-cc` names a C compiler "
        "for %s, such as `clang --target=%s-linux-gnu`",
        build->compiler[0].c_str(), architecture.c_str(), architecture.c_str());

  auto sources = findSources();
  if (!sources)
    return sources.takeError();
  build->sources = *sources;
  auto folder = makeTemporaryFolder("kvcc-runner");
  if (!folder)
    return folder.takeError();
  build->folder = std::move(*folder);
  for (const char *part : {"/runtime/src", "/tools/kvcc/runner"}) {
    auto files = cSources(build->sources + part);
    if (!files)
      return files.takeError();
    for (const std::string &file : *files) {
      build->parts.push_back(build->folder + "/" + llvm::sys::path::stem(file).str() + ".o");
      if (llvm::Error error = build->compile(file, build->parts.back()))
        return std::move(error);
    }
  }
  return std::move(build);
}

RunnerBuild::~RunnerBuild() {
  if (!folder.empty())
    llvm::sys::fs::remove_directories(folder);
}

llvm::Error RunnerBuild::compile(llvm::StringRef source, const std::string &object) {
  return invoke(
      {"-std=c11", "-O1", "-pthread", "-I" + sources, "-I" + sources + "/runtime/include", "-c", source.str(), "-o", object},
      "compile `" + source.str() + "`");
}

/// Runs the compiler; what it says is part of an error.
llvm::Error RunnerBuild::invoke(llvm::ArrayRef<std::string> arguments, const std::string &doing) {
  const std::string program = *llvm::sys::findProgramByName(compiler[0]), log = folder + "/log";
  std::vector<llvm::StringRef> words = {program};
  words.insert(words.end(), compiler.begin() + 1, compiler.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::string problem;
  int code = llvm::sys::ExecuteAndWait(program, words, std::nullopt, {llvm::StringRef(), log, log}, mostSeconds,
                                       /*MemoryLimit=*/0, &problem);
  if (code == 0)
    return llvm::Error::success();
  if (auto said = llvm::MemoryBuffer::getFile(log))
    problem = (*said)->getBuffer().rtrim().str() + problem;
  return llvm::createStringError(fmt::format("`{}` cannot {}:\n{}", fmt::join(compiler, " "), doing, problem));
}

llvm::Expected<std::vector<std::string>> RunnerBuild::link(llvm::ArrayRef<ObjectFile> objects,
                                                           llvm::ArrayRef<std::string> kernels) {
  const std::string stem = fmt::format("{}/{}-", folder, ++linked), table = stem + "kernels.c", program = stem + "runner";
  std::string text = "#include \"tools/kvcc/runner/mailbox.h\"\n";
  for (const std::string &kernel : kernels)
    text += "extern const kv_kernel " + kernel + ";\n";
  text += "const kv_kernel *const kv_runner_kernels[] = {";
  for (const std::string &kernel : kernels)
    text += "&" + kernel + ", ";
  text += fmt::format("0}};\nconst int32_t kv_runner_num_kernels = {};\n", kernels.size());
  if (llvm::Error error = write(table, text))
    return std::move(error);

  std::vector<std::string> files = {stem + "kernels.o"};
  if (llvm::Error error = compile(table, files[0]))
    return std::move(error);
  for (const ObjectFile &object : objects) {
    files.push_back(fmt::format("{}{}.o", stem, files.size()));
    if (llvm::Error error = write(files.back(), object.bytes))
      return std::move(error);
  }
  std::vector<std::string> arguments = {"-static", "-pthread", "-o", program};
  arguments.insert(arguments.end(), files.begin(), files.end());
  arguments.insert(arguments.end(), parts.begin(), parts.end());
  if (llvm::Error error = invoke(arguments, "link the runner"))
    return std::move(error);
  for (const std::string &file : files)
    llvm::sys::fs::remove(file);
  std::vector<std::string> command = runner;
  command.push_back(program);
  return command;
}

} // namespace kv
