// The order of the checks: names, caches, attends, schedules. A declaration with an error is not used by the checks of others.
#include "compiler/frontend/Checks.h"

#include "compiler/frontend/ChecksImpl.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace kv {

namespace {
class FileChecker {
public:
  FileChecker(CheckedFile &file, const ParseOptions &options, const SourceMgr &sources, Diagnostics &diagnostics)
      : file(file), syntax(*file.syntax), options(options), sources(sources), diagnostics(diagnostics) {}

  void run() {
    checkNames();
    checkSymbols(syntax, diagnostics);
    checkOverrides(syntax, options, diagnostics);
    for (const auto &cache : syntax.caches) {
      CheckedCache checked;
      if (!cache->headless && checkCache(*cache, options, checked, diagnostics))
        file.caches.push_back(std::move(checked));
    }
    for (const auto &attend : syntax.attends)
      checkOneAttend(*attend);
    if (!diagnostics.hasErrors()) // else an expression that reads a parameter may not have been looked at
      for (const CheckedCache &cache : file.caches)
        checkParametersUsed(cache, diagnostics);
    for (const auto &schedule : syntax.schedules)
      if (!schedule->broken)
        checkSchedule(*schedule);
  }

private:
  void checkNames() {
    auto twice = [&](const Word &name, const Word &first, StringRef what) {
      diagnostics.error(DiagKind::duplicate_name, name.range, {name.text.take_front(40).str(), what.str()})
          .note(first.range, "first declared here");
    };
    for (auto [i, cache] : enumerate(syntax.caches)) {
      checkSymbolPart(cache->name, "a cache", diagnostics);
      for (size_t j = 0; j < i; ++j)
        if (syntax.caches[j]->name.text == cache->name.text) {
          twice(cache->name, syntax.caches[j]->name, "cache");
          break;
        }
    }
    for (auto [i, attend] : enumerate(syntax.attends)) {
      checkSymbolPart(attend->name, "an attend", diagnostics);
      for (size_t j = 0; j < i; ++j)
        if (syntax.attends[j]->name.text == attend->name.text && syntax.attends[j]->cache.text == attend->cache.text) {
          twice(attend->name, syntax.attends[j]->name, "attend");
          break;
        }
    }
  }

  void checkOneAttend(AttendSyntax &attend) {
    if (attend.headless && !attend.cache)
      return;
    auto named = [&](const auto &cache) { return cache->name.text == attend.cache.text; };
    if (none_of(syntax.caches, named)) {
      SmallVector<StringRef> known;
      for (const auto &cache : syntax.caches)
        known.push_back(cache->name.text);
      if (!syntax.broken)
        diagnostics.error(DiagKind::unknown_cache, attend.cache.range, {attend.cache.text.take_front(40).str()})
            .hint(didYouMean(attend.cache.text, known));
      return;
    }
    auto cache = find_if(file.caches, [&](const CheckedCache &checked) { return checked.name() == attend.cache.text; });
    if (cache == file.caches.end() || attend.headless)
      return;
    CheckedAttend checked;
    checked.cache = cache - file.caches.begin();
    if (!checkAttend(attend, *cache, checked, diagnostics))
      return;
    for (const CheckedAttend &other : file.attends)
      if (other.cache == checked.cache && other.queryType != checked.queryType && !attend.partial && !other.syntax->partial) {
        diagnostics
            .error(DiagKind::query_type_differs, attend.queryType.range,
                   {attend.name.text.str(), attend.queryType.text.str(), cache->name().str(), other.syntax->queryType.text.str()})
            .note(other.syntax->queryType.range, "the other attend's type")
            .hint("declare a second cache for the other type");
        return;
      }
    cache->tokenType = checked.queryType;
    file.attends.push_back(std::move(checked));
  }

  /// A schedule belongs to every attend of its name, on whichever cache.
  void checkSchedule(const ScheduleSyntax &schedule) {
    SmallVector<StringRef> known;
    for (const auto &attend : syntax.attends)
      known.push_back(attend->name.text);
    if (!is_contained(known, schedule.attend.text)) {
      if (!syntax.broken)
        diagnostics.error(DiagKind::unknown_attend, schedule.attend.range, {schedule.attend.text.take_front(40).str()})
            .hint(didYouMean(schedule.attend.text, known));
      return;
    }
    CheckedSchedule checked;
    checked.syntax = &schedule;
    for (const ScheduleSyntax::Entry &entry : schedule.entries) {
      int64_t value = 0;
      if (entry.value) {
        std::optional<int64_t> result = evaluateInteger(*entry.value, {}, diagnostics);
        if (!result)
          return;
        int64_t least = entry.key.text == "prefetch" ? 0 : 1, most = int64_t(1) << 30;
        if (*result < least || *result > most) {
          diagnostics.error(
              DiagKind::schedule_value, entry.value->range,
              {entry.key.text.str(), "an integer from " + std::to_string(least) + " to 2^30", std::to_string(*result)});
          return;
        }
        value = *result;
      } else if (entry.key.text == "masks" && !symbolizeMasks(entry.word.text)) {
        diagnostics.error(DiagKind::schedule_value, entry.word.range,
                          {"masks", "`always` or `classes`", "`" + entry.word.text.take_front(40).str() + "`"});
        return;
      }
      checked.entries.push_back({entry.key.text, value, entry.word.text});
    }
    for (CheckedAttend &attend : file.attends)
      if (attend.name() == schedule.attend.text && !place(attend, checked))
        return;
  }

  /// Adds a schedule to an attend. One of a later source (a schedule file) replaces one of an earlier source.
  bool place(CheckedAttend &attend, const CheckedSchedule &schedule) {
    for (CheckedSchedule &other : attend.schedules) {
      const Word &target = schedule.syntax->target, &first = other.syntax->target;
      if (target.text != first.text)
        continue;
      if (sources.FindBufferContainingLoc(target.range.Start) != sources.FindBufferContainingLoc(first.range.Start)) {
        other = schedule;
        return true;
      }
      diagnostics.error(DiagKind::duplicate_schedule, target.range, {attend.name().str(), target.text.take_front(40).str()})
          .note(first.range, "first given here");
      return false;
    }
    attend.schedules.push_back(schedule);
    return true;
  }

  CheckedFile &file;
  FileSyntax &syntax;
  const ParseOptions &options;
  const SourceMgr &sources;
  Diagnostics &diagnostics;
};
} // namespace

std::unique_ptr<CheckedFile> checkFile(std::unique_ptr<FileSyntax> syntax, const ParseOptions &options, Diagnostics &diagnostics) {
  auto file = std::make_unique<CheckedFile>();
  file->syntax = std::move(syntax);
  FileChecker(*file, options, diagnostics.sourceManager(), diagnostics).run();
  return diagnostics.hasErrors() ? nullptr : std::move(file);
}

} // namespace kv
