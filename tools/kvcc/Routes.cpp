#include "tools/kvcc/Routes.h"

#include "compiler/driver/Artifacts.h"
#include "compiler/support/Json.h"
#include "tools/kvcc/BenchKernels.h"
#include "tools/kvcc/BenchSamples.h"
#include "tools/kvcc/Output.h"
#include "tools/kvcc/VerifySource.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"
#include "llvm/TargetParser/Host.h"

#include <cstdlib>

using nlohmann::json;

namespace kv {

static constexpr int64_t context = 8192; ///< tokens of the sequence that is attended, where a cache holds as many
static constexpr double secondsOfKernel = 0.6, worthIt = 0.97;

static const Target *makerOf(const Target &target, llvm::StringRef route) {
  return route == "halide" ? halideTwin(target) : &target;
}

//===- measuring -------------------------------------------------------------------------------------------------------------===//

namespace {

/// Both routes of a kernel on a target, step by step in turn.
class Race {
public:
  Race(const BenchKernels &kernels, const KernelSpec &spec, const Target &target, BenchMachine &machine)
      : kernels(kernels), spec(spec), target(target), machine(machine) {}

  /// Seconds of a step, the shared path first; or what went wrong.
  llvm::Expected<std::pair<double, double>> run() {
    std::optional<BenchCase> cases[2];
    int counts[2];
    BenchSamples samples[2];
    const std::string names[2] = {target.name(), halideTwin(target)->name()};
    for (int route = 0; route < 2; ++route) {
      auto setup = kernels.setup(spec, names[route]);
      if (!setup)
        return setup.takeError();
      setup->machine = &machine;
      setup->queries = spec.kind == KV_OP_APPEND ? 1 : spec.minQueries;
      CacheType type = setup->cache->type;
      bool dense = type.getLayout().getKind() == LayoutKind::dense;
      setup->context = std::max(setup->queries, dense ? std::min(context, type.getLayout().getSlots()) : context);
      cases[route].emplace(*setup, machine.coldBytes() / 2); // the other route's caches are used in between
      counts[route] = BenchSamples::stepsOfSample(*cases[route], /*cold=*/true);
    }
    for (double end = now() + secondsOfKernel; samples[0].size() < 7 || now() < end;)
      for (int route = 0; route < 2; ++route) {
        samples[route].take(*cases[route], counts[route], /*cold=*/true);
        if (!cases[route]->error().empty())
          return llvm::createStringError(cases[route]->error());
      }
    return std::pair(samples[0].seconds().median(), samples[1].seconds().median());
  }

private:
  const BenchKernels &kernels;
  const KernelSpec &spec;
  const Target &target;
  BenchMachine &machine;
};

/// What was measured before: for the same kernels, by the same programs, on the same kind of machine.
class RouteCache {
public:
  RouteCache(Source &source, llvm::ArrayRef<const Target *> targets) {
    std::string key;
    llvm::raw_string_ostream text(key);
    source.module().print(text);
    text << llvm::sys::getHostCPUName();
    for (const Target *target : targets)
      text << ' ' << target->name();
    std::string self = llvm::sys::fs::getMainExecutable(nullptr, nullptr);
    llvm::SmallString<128> maker(llvm::sys::path::parent_path(self));
    llvm::sys::path::append(maker, "kvcc-halide");
    for (llvm::StringRef program : {llvm::StringRef(self), maker.str()}) {
      llvm::sys::fs::file_status status;
      if (!llvm::sys::fs::status(program, status))
        text << ' ' << status.getSize() << ' ' << status.getLastModificationTime().time_since_epoch().count();
    }
    const char *folder = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
    if (!folder && !home)
      return;
    if (folder)
      path = folder;
    else
      llvm::sys::path::append(path = home, ".cache");
    llvm::sys::path::append(path, "kvcc", fmt::format("routes-{:016x}.json", llvm::xxh3_64bits(key)));
  }

  llvm::StringRef file() const { return path; }

  std::optional<json> read() const {
    auto text = llvm::MemoryBuffer::getFile(path);
    if (path.empty() || !text)
      return std::nullopt;
    json rows = json::parse((*text)->getBuffer().str(), nullptr, /*allow_exceptions=*/false);
    auto isRow = [](const json &row) {
      std::string route = textIn(row, "route");
      const Target *target = findTarget(textIn(row, "target"));
      return !textIn(row, "kernel").empty() && target && halideTwin(*target) && (route == "mlir" || route == "halide") &&
             std::isfinite(numberIn(row, "mlir_us")) && std::isfinite(numberIn(row, "halide_us"));
    };
    return rows.is_array() && llvm::all_of(rows, isRow) ? std::optional(rows) : std::nullopt;
  }
  /// Without a place to keep it, it is measured again the next time.
  void write(const json &rows) const {
    if (!path.empty())
      llvm::consumeError(writeFiles({{path.str().str(), jsonText(rows)}}));
  }

private:
  llvm::SmallString<128> path;
};

} // namespace

static std::optional<json> measure(Source &source, llvm::ArrayRef<const Target *> local) {
  auto fail = [](const std::string &message) {
    llvm::errs() << "kvcc: error: " << message << "\n";
    return std::nullopt;
  };
  std::vector<const Target *> both = local.vec();
  if (!takeRoute("both", both))
    return std::nullopt;
  BenchKernels kernels(source, both);
  if (kernels.status() != CompileStatus::ok)
    return kernels.problem().empty() ? std::nullopt : fail(kernels.problem());
  std::unique_ptr<BenchMachine> machine = makeBenchProcessor(/*threads=*/1);
  if (!machine->problem().empty())
    return fail(machine->problem());
  json rows = json::array();
  bool shows = llvm::sys::Process::StandardErrIsDisplayed();
  for (const KernelSpec &spec : kernels.specs())
    for (const Target *target : local) {
      if (shows)
        llvm::errs() << fmt::format("\r\033[K[{}/{}] {} on {}", rows.size() + 1, kernels.specs().size() * local.size(), spec.name,
                                    target->name());
      auto seconds = Race(kernels, spec, *target, *machine).run();
      if (!seconds)
        return fail(fmt::format("{} on {}: {}", spec.name, target->name(), llvm::toString(seconds.takeError())));
      rows.push_back({{"kernel", spec.name},
                      {"target", target->name()},
                      {"mlir_us", seconds->first * 1e6},
                      {"halide_us", seconds->second * 1e6},
                      {"route", seconds->second < worthIt * seconds->first ? "halide" : "mlir"}});
    }
  if (shows)
    llvm::errs() << "\r\033[K";
  return rows;
}

static void print(const json &rows, llvm::StringRef from) {
  size_t kernel = 6, target = 6;
  for (const json &row : rows) {
    kernel = std::max(kernel, row["kernel"].get_ref<const std::string &>().size());
    target = std::max(target, row["target"].get_ref<const std::string &>().size());
  }
  printOut("{:<{}}  {:<{}}  {:>10}  {:>10}  route\n", "kernel", kernel, "target", target, "mlir us", "halide us");
  for (const json &row : rows)
    printOut("{:<{}}  {:<{}}  {:>10.2f}  {:>10.2f}  {}\n", row["kernel"].get<std::string>(), kernel,
             row["target"].get<std::string>(), target, row["mlir_us"].get<double>(), row["halide_us"].get<double>(),
             row["route"].get<std::string>());
  printOut("cold, context {} where the cache holds it, one thread{}\n", context, from.str());
}

std::optional<RouteChoices> findBestRoutes(Source &source, llvm::ArrayRef<const Target *> targets) {
  std::vector<const Target *> local, runnable = runnableTargets();
  for (const Target *target : targets)
    if (halideTwin(*target) && llvm::is_contained(runnable, target))
      local.push_back(target);
  RouteChoices choices;
  if (!local.empty()) {
    RouteCache cache(source, local);
    std::optional<json> rows = cache.read();
    std::string from = rows ? fmt::format("; measured before: {}", cache.file().str()) : "";
    if (!rows) {
      rows = measure(source, local);
      if (!rows)
        return std::nullopt;
      cache.write(*rows);
    }
    print(*rows, from);
    for (const json &row : *rows)
      choices.push_back({row["kernel"], makerOf(*findTarget(row["target"].get_ref<const std::string &>()), textIn(row, "route"))});
  }
  for (const Target *target : targets)
    if (!llvm::is_contained(local, target))
      for (const KernelSpec &kernel : source.spec().kernels)
        choices.push_back({kernel.name, target});
  return choices;
}

//===- a manifest ------------------------------------------------------------------------------------------------------------===//

std::optional<RouteChoices> readRoutes(const std::string &manifest, const ModuleSpec &module,
                                       llvm::ArrayRef<const Target *> targets) {
  auto fail = [&](const std::string &message) {
    llvm::errs() << "kvcc: error: `" << manifest << "`: " << message << "\n";
    return std::nullopt;
  };
  auto text = llvm::MemoryBuffer::getFile(manifest);
  if (!text)
    return fail(text.getError().message());
  json read = json::parse((*text)->getBuffer().str(), nullptr, /*allow_exceptions=*/false);
  auto routeOf = [&](const std::string &kernel, const std::string &target) -> std::string {
    for (const json &entry : arrayIn(read, "kernels"))
      if (textIn(entry, "symbol") == kernel)
        for (const json &variant : arrayIn(entry, "variants"))
          if (textIn(variant, "base") == target)
            return textIn(variant, "route");
    return "";
  };
  RouteChoices choices;
  for (const Target *target : targets)
    for (const KernelSpec &kernel : module.kernels) {
      std::string route = target->isLaunched() ? "mlir" : routeOf(kernel.name, target->name());
      if (route != "mlir" && route != "halide")
        return fail(fmt::format("expected the manifest of a library that has `{}` for `{}`", kernel.name, target->name()));
      const Target *maker = makerOf(*target, route);
      if (!maker)
        return fail(fmt::format("`{}` has no Halide route", target->name()));
      choices.push_back({kernel.name, maker});
    }
  return choices;
}

//===- what is compiled ------------------------------------------------------------------------------------------------------===//

std::vector<const Target *> targetsOf(const RouteChoices &choices, llvm::ArrayRef<const Target *> targets) {
  std::vector<const Target *> all;
  for (const Target *target : targets)
    for (const Target *maker : {target, halideTwin(*target)})
      if (llvm::any_of(choices, [&](const RouteChoice &one) { return one.maker == maker; }))
        all.push_back(maker);
  return all;
}

bool isChosen(const RouteChoices &choices, llvm::StringRef kernel, const Target &target) {
  return llvm::any_of(choices, [&](const RouteChoice &one) { return one.kernel == kernel && one.maker == &target; });
}

} // namespace kv
