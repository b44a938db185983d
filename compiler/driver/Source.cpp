#include "compiler/driver/Source.h"

#include "compiler/driver/LocatedErrors.h"
#include "compiler/driver/Schedules.h"
#include "compiler/frontend/Frontend.h"
#include "compiler/policy/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Regex.h"

using namespace llvm;

namespace kv {

// Two cores and files of a page: MLIR's own threads cost more than they bring.
Source::Source(SourceOptions options) : given(std::move(options)), mlirContext(mlir::MLIRContext::Threading::DISABLED) {}

Source::~Source() = default;

/// A file's text, or standard input's. Text alone is no proof: /dev/zero never ends.
static Expected<std::unique_ptr<MemoryBuffer>> readSource(StringRef path) {
  constexpr size_t most = 16 << 20;
  auto fail = [&](const Twine &why) { return createStringError("cannot read `" + path + "`: " + why); };
  bool isInput = path == "-";
  Expected<sys::fs::file_t> file =
      isInput ? Expected<sys::fs::file_t>(sys::fs::getStdinHandle()) : sys::fs::openNativeFileForRead(path);
  if (!file)
    return fail(toString(file.takeError()));
  scope_exit close([&] {
    if (!isInput)
      sys::fs::closeFile(*file);
  });
  std::string text;
  for (size_t count = 1; count;) {
    char chunk[1 << 16];
    Expected<size_t> read = sys::fs::readNativeFile(*file, MutableArrayRef(chunk));
    if (!read)
      return fail(toString(read.takeError()));
    count = *read;
    text.append(chunk, count);
    if (text.size() > most)
      return fail("it has more than 16 MiB, which no .kv file has");
  }
  return MemoryBuffer::getMemBufferCopy(text, isInput ? "<stdin>" : path);
}

void printPlainError(raw_ostream &os, StringRef kind, StringRef message, bool json) {
  if (json) {
    json::OStream array(os, 2);
    array.array([&] {
      array.object([&] {
        array.attribute("kind", kind);
        array.attribute("message", json::fixUTF8(message));
      });
    });
    os << "\n";
  } else {
    os << "kvcc: error: " << message << "\n";
  }
}

/// Masks that are no runs of tokens. Those of steps are those of their attends.
static void checkMasks(mlir::ModuleOp module, Diagnostics &diagnostics) {
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &refusal) {
    SMLoc place = findPlace(refusal.getLocation(), diagnostics.sourceManager());
    diagnostics.error(DiagKind::mask_not_runs, {place, place}, {readText(refusal)});
  });
  for (auto function : module.getOps<mlir::func::FuncOp>())
    if (function.getOps<AppendOp>().empty())
      for (AttendOp attend : function.getOps<AttendOp>())
        (void)analyzeMask(attend); // the handler has heard of a failure
}

bool Source::read(raw_ostream &errors, bool json) {
  for (const std::string &path : files()) {
    Expected<std::unique_ptr<MemoryBuffer>> buffer = readSource(path);
    if (!buffer) {
      printPlainError(errors, "unreadable_file", toString(buffer.takeError()), json);
      return false;
    }
    sourceManager.AddNewSourceBuffer(std::move(*buffer), SMLoc());
  }
  ParseOptions parseOptions;
  parseOptions.params = given.params;
  Diagnostics diagnostics(sourceManager);
  checkedFile = checkSource(sourceManager, parseOptions, diagnostics);
  if (checkedFile)
    level0 = emitModule(*checkedFile, sourceManager, mlirContext);
  if (level0)
    checkMasks(*level0, diagnostics);
  if (level0 && !diagnostics.hasErrors())
    checkSchedules(*checkedFile, *level0, diagnostics);
  if (json)
    diagnostics.printJson(errors);
  else if (diagnostics.hasErrors())
    diagnostics.print(errors);
  if (diagnostics.hasErrors())
    level0 = {};
  return static_cast<bool>(level0);
}

ModuleSpec Source::spec() const {
  ModuleSpec spec = readModule(*level0);
  for (KernelSpec &kernel : spec.kernels)
    for (const CheckedAttend &attend : checkedFile->attends) {
      std::string decode = (checkedFile->caches[attend.cache].name() + "_" + attend.name()).str();
      std::string fused = (checkedFile->caches[attend.cache].name() + "_append_" + attend.name()).str();
      if (kernel.name != decode && kernel.name != fused)
        continue;
      for (auto [param, array] : zip(kernel.params, attend.syntax->arrays))
        param.name = array.name.text.str();
      kernel.mask = "j <= i";
      if (attend.mask) {
        raw_string_ostream stream(kernel.mask = "");
        printExpr(*attend.mask, stream);
        std::string values; // of the parameters that it names
        for (const CheckedParameter &parameter : checkedFile->caches[attend.cache].parameters)
          if (Regex("(^|[^A-Za-z0-9_])" + parameter.name.text.str() + "([^A-Za-z0-9_]|$)").match(kernel.mask))
            values += (", " + parameter.name.text + " = " + Twine(parameter.value)).str();
        stream << values;
      }
      if (attend.score) {
        raw_string_ostream stream(kernel.score = "");
        printExpr(*attend.score, stream);
      }
    }
  return spec;
}

std::vector<std::string> Source::files() const {
  std::vector<std::string> result = {given.file};
  if (!given.schedule.empty())
    result.push_back(given.schedule);
  return result;
}

std::string Source::stem() const {
  StringRef stem = sys::path::stem(given.file);
  return stem.empty() || stem == "-" ? "kernels" : stem.str();
}

bool parseParam(StringRef text, std::pair<std::string, int64_t> &param) {
  auto [name, value] = text.split('=');
  param.first = name.str();
  return !name.empty() && !value.getAsInteger(10, param.second);
}

} // namespace kv
