#include "tools/kvcc/SourceArguments.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

namespace kv {

void SourceArguments::declare(CLI::App &command) {
  command.add_option("FILE", file, "the .kv file, or - for standard input")->required();
  command.add_option("-p,--param", params, "NAME=INTEGER: a parameter of the cache")->allow_extra_args(false);
  command.add_option("--schedule", schedule, "a file with schedules, read after FILE")->check(isGiven());
}

std::unique_ptr<Source> SourceArguments::open(bool json) const {
  llvm::raw_ostream &errors = json ? llvm::outs() : llvm::errs();
  SourceOptions options{file, {}, schedule};
  for (const std::string &text : params) {
    std::pair<std::string, int64_t> param;
    if (!parseParam(text, param)) {
      printPlainError(errors, "malformed_option", "`-p " + text + "` is not NAME=INTEGER", json);
      return nullptr;
    }
    options.params.push_back(param);
  }
  auto source = std::make_unique<Source>(std::move(options));
  if (!source->read(errors, json))
    return nullptr;
  return source;
}

CLI::Validator isGiven() {
  auto check = [](std::string &given) {
    bool blank = llvm::StringRef(given).trim().empty();
    return blank ? "`" + given + "` names nothing; the option is given with a name, or left out" : std::string();
  };
  return CLI::Validator(check, "");
}

CLI::Validator integerFrom(uint64_t least, uint64_t most) {
  auto check = [=](std::string &given) {
    uint64_t value = 0;
    if (llvm::StringRef(given).getAsInteger(10, value) || value < least || value > most)
      return "`" + given + "` is no integer from " + std::to_string(least) + " to " + std::to_string(most);
    given = std::to_string(value);
    return std::string();
  };
  return CLI::Validator(check, "in [" + std::to_string(least) + ", " + std::to_string(most) + "]");
}

CLI::Validator numberFrom(double least, double most) {
  auto range = [](double low, double high) { return fmt::format("{:g} to {:g}", low, high); };
  auto check = [=](std::string &given) {
    double value = 0;
    bool good = !llvm::StringRef(given).getAsDouble(value) && value >= least && value <= most;
    return good ? std::string() : "`" + given + "` is no number from " + range(least, most);
  };
  return CLI::Validator(check, "in [" + range(least, most) + "]");
}

void declareTargets(CLI::App &command, std::vector<std::string> &names, const char *what) {
  declareList(command, "--target", names, what)->capture_default_str();
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
