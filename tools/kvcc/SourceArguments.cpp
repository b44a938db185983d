#include "tools/kvcc/SourceArguments.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <CLI/CLI.hpp>

namespace kv {

void SourceArguments::declare(CLI::App &command) {
  command.add_option("FILE", file, "the .kv file, or - for standard input")->required();
  command.add_option("-p,--param", params, "NAME=INTEGER: a parameter of the cache")->allow_extra_args(false);
  command.add_option("--schedule", schedule, "a file with schedules, read after FILE");
}

std::unique_ptr<Source> SourceArguments::open(bool json) const {
  SourceOptions options{file, {}, schedule};
  for (const std::string &text : params) {
    std::pair<std::string, int64_t> param;
    if (!parseParam(text, param)) {
      llvm::errs() << "kvcc: error: `-p " << text << "` is not NAME=INTEGER\n";
      return nullptr;
    }
    options.params.push_back(param);
  }
  auto source = std::make_unique<Source>(std::move(options));
  if (!source->read(json ? llvm::outs() : llvm::errs(), json))
    return nullptr;
  return source;
}

void declareTargets(CLI::App &command, std::vector<std::string> &names, const char *what) {
  command.add_option("--target", names, what)->delimiter(',')->capture_default_str();
}

void declareRoute(CLI::App &command, std::string &route, std::vector<std::string> more, bool manifest) {
  std::vector<std::string> routes = {"mlir", "halide"};
  routes.insert(routes.end(), more.begin(), more.end());
  std::string names = "{" + llvm::join(routes, ",") + (manifest ? ",MANIFEST.json}" : "}");
  CLI::Validator isRoute(
      [=](std::string &given) {
        bool known = llvm::is_contained(routes, given) || (manifest && llvm::StringRef(given).ends_with(".json"));
        return known ? "" : "`" + given + "` is none of " + names;
      },
      names);
  command.add_option("--route", route, "what makes kernels for processors")->check(isRoute)->capture_default_str();
}

bool checkKernelNames(llvm::ArrayRef<std::string> asked, llvm::ArrayRef<std::string> known) {
  for (const std::string &name : asked)
    if (!llvm::is_contained(known, name)) {
      llvm::errs() << "kvcc: error: there is no kernel `" << name << "` to run\n  help: kernels are " << llvm::join(known, ", ")
                   << "\n";
      return false;
    }
  return true;
}

} // namespace kv
