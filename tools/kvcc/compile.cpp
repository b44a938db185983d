// kvcc compile: a `.kv` file to a static library, a C header, a manifest and a depfile.
#include "compiler/driver/Advice.h"
#include "compiler/driver/Artifacts.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/driver/Schedules.h"
#include "compiler/support/Files.h"
#include "kv/kv.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/CrashReport.h"
#include "tools/kvcc/Output.h"
#include "tools/kvcc/Report.h"
#include "tools/kvcc/Routes.h"
#include "tools/kvcc/SourceArguments.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace kv {
namespace {

struct CompileArguments {
  SourceArguments source;
  std::vector<std::string> targets = {"native"};
  std::vector<std::string> emit = {"lib", "header", "manifest", "depfile"};
  std::string folder = ".";
  std::string name;
  std::string until;
  std::string machine;
  std::string route = "mlir";
  bool timing = false;
  bool report = false;
  bool json = false;

  /// Whether the route is the name of a manifest.
  bool readsRoutes() const { return llvm::StringRef(route).ends_with(".json"); }
  bool emits(const char *what) const { return std::find(emit.begin(), emit.end(), what) != emit.end(); }
};

/// Time by target, and the cost of one kernel: what a JIT's user waits for.
void printTiming(const Timing &timing, const Compiled &compiled, size_t targets) {
  double lowering = 0;
  for (const Timing::Step &step : timing.steps) {
    printOut("{:<44} {:>9.2f} ms\n", step.name, step.milliseconds);
    if (step.name.find(' ') != std::string::npos)
      lowering += step.milliseconds;
  }
  size_t kernels = compiled.module.kernels.size();
  printOut("{:<44} {:>9.2f} ms\n", "total", timing.total());
  if (kernels && targets)
    printOut("{} kernels x {} targets: {:.2f} ms a kernel\n", kernels, targets, lowering / static_cast<double>(kernels * targets));
}

/// Everything that `--emit` asks for, as files to write.
llvm::Expected<std::vector<OutputFile>> makeFiles(const CompileArguments &arguments, const Source &source,
                                                  const Compiled &compiled) {
  std::string name = arguments.name.empty() ? source.stem() : arguments.name;
  auto path = [&](const std::string &file) {
    llvm::SmallString<128> joined(arguments.folder);
    llvm::sys::path::append(joined, file);
    return joined.str().str();
  };
  // The source's folder is left out of what is written, so that the same file gives the same bytes everywhere.
  std::string sourceName = llvm::sys::path::filename(source.options().file).str();
  std::vector<OutputFile> files;
  std::vector<std::string> libraries;
  for (const std::string &architecture : compiled.architectures()) {
    libraries.push_back(path(libraryPath(compiled, name, architecture)));
    if (!arguments.emits("lib"))
      continue;
    llvm::Expected<std::string> archive = makeArchive(compiled.objects, architecture);
    if (!archive)
      return archive.takeError();
    files.push_back({libraries.back(), std::move(*archive)});
  }
  if (arguments.emits("obj") || arguments.emits("asm"))
    for (const DeviceCode &code : compiled.devices)
      files.push_back({path(code.name), code.text});
  if (arguments.emits("obj") || arguments.emits("asm"))
    for (const ObjectFile &object : compiled.objects)
      files.push_back({path(object.name), object.bytes});
  if (arguments.emits("header"))
    files.push_back({path(name + ".h"), makeHeader(compiled, name, sourceName)});
  if (arguments.emits("manifest"))
    files.push_back({path(name + ".json"), makeManifest(compiled, name, sourceName, source.options().params)});
  if (arguments.emits("depfile")) {
    std::vector<std::string> sources = source.files();
    std::erase(sources, "-"); // standard input is no file that a build could look at
    files.push_back({path(name + ".d"), makeDepfile(libraries, sources)});
  }
  return files;
}

/// Leaves out the targets of other machines than `machine`; GPUs are in all of them. False when none is left, which has been said.
bool keepMachine(const std::string &machine, std::vector<const Target *> &targets) {
  std::erase_if(targets, [&](const Target *target) { return !target->isLaunched() && target->architecture() != machine; });
  if (targets.empty())
    llvm::errs() << "kvcc: error: none of the targets is for `" << machine << "`\n  help: targets are native, " << targetNames()
                 << "\n";
  return !targets.empty();
}

const CLI::Validator isFileName(
    [](std::string &given) {
      bool good = !given.empty() && given != "." && given != ".." && given.find('/') == std::string::npos;
      return good ? "" : "`" + given + "` is no name of a file; `--output` names the folder";
    },
    "NAME");

int runCompile(const CompileArguments &arguments) {
  Timing timing;
  std::unique_ptr<Source> source = arguments.source.open();
  if (!source)
    return exitUserError;
  timing.mark("read");

  CompileOptions options;
  options.until = arguments.until;
  options.dump = &llvm::outs();
  options.assembly = arguments.emits("asm");
  options.name = arguments.name;
  options.machine = arguments.machine;
  options.timing = arguments.timing ? &timing : nullptr;
  if (!findTargets(arguments.targets, kv_cpu_features(), options.targets))
    return exitUserError;
  if (!arguments.machine.empty() && !keepMachine(arguments.machine, options.targets))
    return exitUserError;
  std::optional<RouteChoices> choices;
  if (arguments.route == "best" || arguments.readsRoutes()) {
    choices = arguments.readsRoutes() ? readRoutes(arguments.route, source->spec(), options.targets)
                                      : findBestRoutes(*source, options.targets);
    if (!choices)
      return exitUserError;
    options.targets = targetsOf(*choices, options.targets);
    options.wants = [&](const std::string &kernel, const Target &target) { return isChosen(*choices, kernel, target); };
  } else if (!takeRoute(arguments.route, options.targets)) {
    return exitUserError;
  }
  Compiled compiled;
  CompileStatus status = compile(*source, options, compiled);
  if (status != CompileStatus::ok)
    return exitCodeOf(status);
  warnOfCaches(*source);
  Schedules schedules;
  if (chooseSchedules(*source, options.targets, schedules) == CompileStatus::ok)
    warnSlowPaths(*source, schedules);

  if (arguments.until.empty()) {
    Timing files;
    auto outputs = makeFiles(arguments, *source, compiled);
    if (!outputs)
      return reportInternalError(llvm::toString(outputs.takeError()));
    std::vector<std::string> written, read = source->files();
    for (const OutputFile &output : *outputs)
      written.push_back(output.path);
    if (arguments.readsRoutes())
      read.push_back(arguments.route);
    if (llvm::Error error = keepInputs(written, read)) {
      llvm::errs() << "kvcc: error: " << llvm::toString(std::move(error))
                   << "\n  help: `--output` names another folder, `--name` other files, `--emit` fewer\n";
      return exitUserError;
    }
    if (llvm::Error error = writeFiles(*outputs)) {
      llvm::errs() << "kvcc: error: " << llvm::toString(std::move(error)) << "\n";
      return exitUserError;
    }
    files.mark("files");
    timing.steps.push_back(files.steps[0]);
  }
  if (arguments.report && arguments.until.empty() && !printReport(compiled, arguments.json))
    return exitInternalError;
  if (arguments.timing)
    printTiming(timing, compiled, options.targets.size());
  return exitOk;
}

} // namespace

void addCompile(CLI::App &app, Command &chosen) {
  auto arguments = std::make_shared<CompileArguments>();
  CLI::App *command = app.add_subcommand("compile", "make a library, a header and a manifest of a .kv file");
  arguments->source.declare(*command);
  declareTargets(*command, arguments->targets);
  declareRoute(*command, arguments->route, {"best"}, /*manifest=*/true);
  command->add_option("-o,--output", arguments->folder, "folder for the files")->check(isGiven())->capture_default_str();
  command->add_option("--machine", arguments->machine, "only targets of this architecture, and GPUs in programs of it")
      ->check(CLI::IsMember(architectures()));
  command->add_option("--name", arguments->name, "name of the files (default: FILE's)")->check(isFileName);
  CLI::Option *emit = declareList(*command, "--emit", arguments->emit,
                                  "what to write: lib, header, manifest, depfile, obj, or asm (which stands alone)")
                          ->check(CLI::IsMember({"lib", "header", "manifest", "depfile", "obj", "asm"}))
                          ->capture_default_str();
  CLI::Option *report = command->add_flag("--report", arguments->report,
                                          "print the cycles of innermost loops by LLVM's model of a processor; registers, spills "
                                          "and shared memory of GPU kernels by ptxas");
  std::vector<std::string> phases;
  for (llvm::StringRef phase : phaseNames())
    phases.push_back(phase.str());
  command
      ->add_option("--until", arguments->until, "stop after this phase and print the IR: nothing is written, and nothing reported")
      ->check(CLI::IsMember(phases))
      ->excludes(emit)
      ->excludes(report);
  command->add_flag("--json", arguments->json, "print the report as JSON")->needs(report);
  command->add_flag("--timing", arguments->timing, "print the time of every phase");
  command->callback([arguments, &chosen] {
    if (arguments->emits("asm") && arguments->emit.size() > 1)
      throw CLI::ValidationError("--emit", "asm stands alone");
    if (arguments->emits("asm") && arguments->report)
      throw CLI::ValidationError("--report", "reads objects, and --emit asm makes none");
    chosen = [arguments] { return runCompile(*arguments); };
  });
}

} // namespace kv
