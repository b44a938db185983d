#include "compiler/driver/Source.h"

#include "compiler/frontend/Frontend.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace kv {

// Two cores and files of a page: MLIR's own threads cost more than they bring.
Source::Source(SourceOptions options) : given(std::move(options)), mlirContext(mlir::MLIRContext::Threading::DISABLED) {}

Source::~Source() = default;

bool Source::read(raw_ostream &errors, bool json) {
  for (const std::string &path : files()) {
    auto buffer = MemoryBuffer::getFileOrSTDIN(path, /*IsText=*/true);
    if (std::error_code error = buffer.getError()) {
      if (json)
        errors << "[]\n";
      errs() << "kvcc: error: cannot read `" << path << "`: " << error.message() << "\n";
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
  if (json)
    diagnostics.printJson(errors);
  else if (diagnostics.hasErrors())
    diagnostics.print(errors);
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
      for (auto [name, array] : zip(kernel.params, attend.syntax->arrays))
        name = array.name.text.str();
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
  return !name.empty() && !value.getAsInteger(0, param.second);
}

} // namespace kv
