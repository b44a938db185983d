// kvcc explain: what a file means and costs. The file with every default written out, bytes per token and per context, the map of a
// page, what one step has to read and compute, and how each target computes it. All but the file are comments: the output is a
// `.kv` file that means the same.
#include "compiler/driver/Advice.h"
#include "compiler/driver/Schedules.h"
#include "compiler/frontend/Printer.h"
#include "compiler/reference/Tolerance.h"
#include "dialect/Visible.h"
#include "kv/kv.h"
#include "tools/kvcc/Commands.h"
#include "tools/kvcc/Output.h"
#include "tools/kvcc/SourceArguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace kv {
namespace {

struct ExplainArguments {
  SourceArguments source;
  std::vector<std::string> targets; ///< none: all
  std::vector<int64_t> contexts = {1024, 8192, 32768, 131072};
  int64_t queries = 0; ///< of a step; 0: as few as an attend takes
  double readRate = 40;
};

/// Prints a line that is a comment of a `.kv` file: so is the whole output.
template <typename... Args> void comment(fmt::format_string<Args...> format, Args &&...args) {
  llvm::outs() << "// " << fmt::format(format, std::forward<Args>(args)...) << "\n";
}

void explainRegion(const PageMap &map, const Region &region) {
  char channel = region.role == RegionRole::codes ? 'd' : 'g'; // what the letter d counts
  std::string order;
  for (const Axis &axis : region.axes)
    order += fmt::format("{}{}{}{} x{}", order.empty() ? "" : ", ", axis.digit.coordinate == 'd' ? channel : axis.digit.coordinate,
                         axis.modulus ? fmt::format("%{}", axis.modulus) : "",
                         axis.digit.divisor == 1 ? "" : fmt::format("/{}", axis.digit.divisor), axis.extent);
  comment("  {:<13} {:>8} .. {:<8} {:>2} bits  [{}]", region.title(), region.offset, map.endInTile(region) - 1, region.bits, order);
}

void explainCache(const CacheSpec &cache) {
  CacheType type = cache.type;
  double bytes = bytesPerToken(type);
  double half = 2.0 * static_cast<double>(type.getHeads() * (type.getKeyDim() + type.getValueDim()));
  comment("cache {}: {} kv heads, {} key and {} value channels", cache.name, type.getHeads(), type.getKeyDim(), type.getValueDim());
  comment("  keys    {}", codecText(type.getKey()));
  comment("  values  {}", codecText(type.getValue()));
  comment("  layout  {}", layoutText(type.getLayout()));
  comment("  {:g} bytes a token, {:.2f} times less than f16; {:.2f} with the padding of a page", bytes, half / bytes,
          static_cast<double>(cache.map.bytes) / static_cast<double>(cache.map.slots));
  comment("  a page is {} bytes and holds {} tokens{}:", cache.map.bytes, cache.map.slots,
          cache.map.tile ? fmt::format(", in tiles of {} bytes, the first of which", cache.map.tileBytes) : "");
  for (const Region &region : cache.map.regions)
    explainRegion(cache.map, region);
}

/// What a step reads of the tokens that are there, in words.
void explainMask(const KernelSpec &kernel, int64_t queries) {
  std::string step = queries == 1 ? "a step of one query" : fmt::format("a step of {} queries", queries);
  int64_t most = mostVisible(kernel.visible, queries);
  if (kernel.visible.getRuns() == 1 && !kernel.visible.hasLow() && !most)
    return comment("  mask {}: {} reads all tokens{}", kernel.mask, step,
                   queries > 1 && kernel.visible.differs() ? ", each query those that it sees" : "");
  comment(
      "  mask {}: {} sees {}, in at most {} run{} of tokens; it reads these and the rest of their blocks, and neither reads nor "
      "checks other pages",
      kernel.mask, step, most ? fmt::format("at most {} tokens of any context", most) : "a part of the tokens",
      kernel.visible.getRuns(), kernel.visible.getRuns() == 1 ? "" : "s");
}

void explainKernel(const CacheSpec &cache, const KernelSpec &kernel, const ExplainArguments &arguments) {
  comment("attend {}: {} query heads ({} a kv head), {} to {} queries, accuracy {} (relative RMS error {:g})", kernel.name,
          kernel.headsQ, kernel.headsQ / cache.type.getHeads(), kernel.minQueries, kernel.maxQueries,
          stringifyAccuracy(kernel.accuracy).str(), accuracyBound(kernel.accuracy, InputKind::normal));
  int64_t queries = std::clamp(arguments.queries, kernel.minQueries, kernel.maxQueries);
  explainMask(kernel, queries);
  comment("  {:>9} {:>11} {:>14} {:>10} {:>11} {:>22}", "context", "tokens seen", "cache bytes", "MFLOP", "flop/byte",
          fmt::format("us at {:g} GB/s", arguments.readRate));
  for (int64_t context : arguments.contexts) {
    int64_t newest = std::min(queries, context), tokens = countTokens(kernel.visible, newest, context);
    double bytes = bytesPerToken(cache.type) * static_cast<double>(tokens);
    double flop = 2.0 * static_cast<double>(kernel.headsQ * (cache.type.getKeyDim() + cache.type.getValueDim())) *
                  static_cast<double>(countSeen(kernel.visible, newest, context));
    comment("  {:>9} {:>11} {:>14.0f} {:>10.1f} {:>11.1f} {:>22.1f}", context, tokens, bytes, flop * 1e-6,
            tokens ? flop / bytes : 0, bytes / arguments.readRate * 1e-3);
  }
}

/// One row a target; the columns are what the schedules have, 0 where one has none of it.
void explainSchedules(size_t kernel, const Schedules &schedules) {
  std::vector<std::string> header = {"schedule"};
  for (const ChosenSchedule &schedule : schedules.chosen)
    for (const auto &[name, value] : schedule.fields)
      if (schedule.kernel == kernel && !llvm::is_contained(header, name))
        header.push_back(name);
  std::vector<std::vector<std::string>> table = {header};
  for (const ChosenSchedule &schedule : schedules.chosen) {
    if (schedule.kernel != kernel)
      continue;
    std::vector<std::string> row = {schedule.target->name()};
    for (const std::string &name : llvm::drop_begin(header)) {
      auto field = llvm::find_if(schedule.fields, [&](const auto &field) { return field.first == name; });
      row.push_back(field == schedule.fields.end() ? "0" : field->second);
    }
    table.push_back(std::move(row));
  }
  for (const std::vector<std::string> &row : table) {
    std::string line;
    for (size_t column = 0; column < row.size(); ++column) {
      size_t width = 0;
      for (const std::vector<std::string> &other : table)
        width = std::max(width, other[column].size());
      line += column == 0 ? fmt::format("  {:<{}}", row[column], width) : fmt::format("  {:>{}}", row[column], width);
    }
    comment("{}", line);
  }
}

int runExplain(const ExplainArguments &arguments) {
  std::unique_ptr<Source> source = arguments.source.open();
  if (!source)
    return exitUserError;
  std::vector<const Target *> chosen;
  if (!findTargets(arguments.targets, kv_cpu_features(), chosen))
    return exitUserError;
  if (chosen.empty())
    for (const Target &target : targets())
      chosen.push_back(&target);
  Schedules schedules;
  if (chooseSchedules(*source, chosen, schedules) != CompileStatus::ok)
    return exitUserError;

  printSource(source->checked(), llvm::outs());
  ModuleSpec spec = source->spec();
  std::vector<Advice> advice = findAdvice(*source);
  for (const std::string &refusal : findRefusals(*source, chosen))
    comment("warning: {}", refusal);
  for (size_t index = 0; index < spec.caches.size(); ++index) {
    llvm::outs() << "\n";
    explainCache(spec.caches[index]);
    for (const Advice &one : advice)
      if (one.cache == index)
        comment("  {}: {}", one.isWarning ? "warning" : "note", one.text);
    for (const SlowPath &path : schedules.slow)
      if (path.cache == index)
        comment("  warning: {}", path.message());
    for (size_t kernel = 0; kernel < spec.kernels.size(); ++kernel)
      if (spec.kernels[kernel].cache == index && spec.kernels[kernel].kind == KV_OP_ATTEND) {
        explainKernel(spec.caches[index], spec.kernels[kernel], arguments);
        explainSchedules(kernel, schedules);
      }
  }
  return exitOk;
}

} // namespace

void addExplain(CLI::App &app, Command &chosen) {
  auto arguments = std::make_shared<ExplainArguments>();
  CLI::App *command =
      app.add_subcommand("explain", "print the file with all defaults, its bytes, what a step costs and each target's schedule");
  arguments->source.declare(*command);
  declareTargets(*command, arguments->targets, "targets whose schedules are shown (default: all)");
  declareList(*command, "--context", arguments->contexts, "contexts of the table")
      ->transform(integerFrom(1, INT32_MAX))
      ->capture_default_str();
  command->add_option("--queries", arguments->queries, "new tokens of the table's step (default: as few as the attend takes)")
      ->transform(integerFrom(1, INT32_MAX));
  command->add_option("--read-gbps", arguments->readRate, "read bandwidth for the time of a step")
      ->check(numberFrom(1e-3, 1e6))
      ->capture_default_str();
  command->callback([arguments, &chosen] { chosen = [arguments] { return runExplain(*arguments); }; });
}

} // namespace kv
