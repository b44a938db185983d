// Collecting and printing of errors. The table is Diagnostics.def.
#include "compiler/frontend/Diagnostics.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace kv {

namespace {
struct Row {
  DiagKind kind;
  const char *name, *message, *help;
};
} // namespace

static const Row table[] = {
#define KV_DIAG(kind, message, help) {DiagKind::kind, #kind, message, help},
#include "compiler/frontend/Diagnostics.def"
};

StringRef diagKindName(DiagKind kind) { return table[size_t(kind)].name; }

ArrayRef<DiagKind> allDiagKinds() {
  static const std::vector<DiagKind> kinds = [] {
    std::vector<DiagKind> all;
    for (const Row &row : table)
      all.push_back(row.kind);
    return all;
  }();
  return kinds;
}

/// Replaces {0}, {1}, ... of a row's text.
static std::string expand(StringRef text, ArrayRef<std::string> args) {
  std::string result;
  while (!text.empty()) {
    if (text.size() >= 3 && text[0] == '{' && isDigit(text[1]) && text[2] == '}') {
      size_t index = text[1] - '0';
      assert(index < args.size() && "a row of Diagnostics.def wants more arguments");
      if (index < args.size())
        result += args[index];
      text = text.drop_front(3);
    } else {
      result += text.front();
      text = text.drop_front();
    }
  }
  return result;
}

Diagnostic &Diagnostics::error(DiagKind kind, SMRange range, ArrayRef<std::string> args) {
  const Row &row = table[size_t(kind)];
  Diagnostic diagnostic{kind, range, expand(row.message, args), {}, expand(row.help, args)};
  dropped |= full();
  if (dropped)
    return overflow = std::move(diagnostic);
  ++count;
  return kept.emplace_back(std::move(diagnostic));
}

std::vector<const Diagnostic *> Diagnostics::sorted() const {
  std::vector<std::tuple<unsigned, const char *, size_t>> keys; // buffer, place, order of reporting
  for (auto [i, diagnostic] : enumerate(kept)) {
    SMLoc loc = diagnostic.range.Start;
    keys.emplace_back(loc.isValid() ? sources.FindBufferContainingLoc(loc) : 0, loc.getPointer(), i);
  }
  sort(keys);
  std::vector<const Diagnostic *> result;
  for (const auto &[buffer, place, index] : keys)
    result.push_back(&kept[index]);
  return result;
}

void Diagnostics::printLine(raw_ostream &os, SMLoc loc, StringRef severity, StringRef text) const {
  if (loc.isValid()) {
    unsigned buffer = sources.FindBufferContainingLoc(loc);
    auto [line, column] = sources.getLineAndColumn(loc, buffer);
    os << sources.getMemoryBuffer(buffer)->getBufferIdentifier() << ":" << line << ":" << column << ": ";
  }
  os << severity << ": " << text << "\n";
}

/// The source line with a caret under the range's first character and tildes under the rest of it.
void Diagnostics::printSnippet(raw_ostream &os, SMRange range) const {
  if (!range.Start.isValid())
    return;
  unsigned buffer = sources.FindBufferContainingLoc(range.Start);
  StringRef text = sources.getMemoryBuffer(buffer)->getBuffer();
  size_t at = range.Start.getPointer() - text.begin();
  size_t begin = at;
  while (begin > 0 && text[begin - 1] != '\n')
    --begin;
  size_t end = std::min(text.find('\n', at), text.size());
  StringRef line = text.slice(begin, end).rtrim('\r');
  size_t column = at - begin;
  size_t length = std::min<size_t>(std::max<ptrdiff_t>(range.End.getPointer() - range.Start.getPointer(), 1),
                                   std::max<size_t>(line.size(), column + 1) - column);
  const size_t widest = 200; // of a line that is printed: a file without line ends must not flood a terminal
  size_t cut = column > widest / 2 ? column - widest / 2 : 0;
  StringRef shown = line.drop_front(std::min(cut, line.size())).take_front(widest);

  std::string number = std::to_string(sources.getLineAndColumn(range.Start, buffer).first);
  os << right_justify(number, 5) << " | ";
  for (char c : shown)
    os << (isPrint(c) || c == '\t' || static_cast<signed char>(c) < 0 ? c : '?');
  os << "\n" << std::string(std::max<size_t>(number.size(), 5), ' ') << " | ";
  for (size_t i = 0; i < column - cut; ++i) {
    char c = i < shown.size() ? shown[i] : ' ';
    if ((c & 0xc0) != 0x80) // a character of several bytes takes one column
      os << (c == '\t' ? '\t' : ' ');
  }
  os << "^" << std::string(std::min(length, widest) - 1, '~') << "\n";
}

void Diagnostics::print(raw_ostream &os) const {
  for (const Diagnostic *diagnostic : sorted()) {
    printLine(os, diagnostic->range.Start, "error", diagnostic->message);
    printSnippet(os, diagnostic->range);
    for (const Diagnostic::Note &note : diagnostic->notes)
      printLine(os, note.range.Start, "note", note.text);
    if (!diagnostic->help.empty())
      printLine(os, diagnostic->range.Start, "help", diagnostic->help);
  }
  if (dropped)
    os << "stopped after " << limit << " errors\n";
}

void Diagnostics::printJson(raw_ostream &os) const {
  auto place = [&](json::OStream &json, SMRange range) {
    if (!range.Start.isValid())
      return;
    unsigned buffer = sources.FindBufferContainingLoc(range.Start);
    auto [line, column] = sources.getLineAndColumn(range.Start, buffer);
    json.attribute("file", json::fixUTF8(sources.getMemoryBuffer(buffer)->getBufferIdentifier()));
    json.attribute("line", line);
    json.attribute("column", column);
    json.attribute("length", int64_t(std::max<ptrdiff_t>(range.End.getPointer() - range.Start.getPointer(), 1)));
  };
  json::OStream json(os, 2);
  json.array([&] {
    for (const Diagnostic *diagnostic : sorted())
      json.object([&] {
        json.attribute("kind", diagKindName(diagnostic->kind));
        place(json, diagnostic->range);
        json.attribute("message", json::fixUTF8(diagnostic->message));
        if (!diagnostic->help.empty())
          json.attribute("help", json::fixUTF8(diagnostic->help));
        if (diagnostic->notes.empty())
          return;
        json.attributeArray("notes", [&] {
          for (const Diagnostic::Note &note : diagnostic->notes)
            json.object([&] {
              place(json, note.range);
              json.attribute("message", json::fixUTF8(note.text));
            });
        });
      });
  });
  os << "\n";
}

std::string didYouMean(StringRef seen, ArrayRef<StringRef> known) {
  unsigned best = (seen.size() < 4 ? 1 : std::max<unsigned>(2, seen.size() / 3)) + 1;
  StringRef nearest;
  if (seen.size() > 64)
    return "";
  for (StringRef word : known) {
    unsigned distance = seen.equals_insensitive(word) ? 0 : seen.edit_distance(word, true, best);
    if (distance < best && distance < std::max(seen.size(), word.size())) {
      best = distance;
      nearest = word;
    }
  }
  return nearest.empty() ? "" : "did you mean `" + nearest.str() + "`?";
}

std::string quoted(StringRef text) {
  std::string result = "`";
  for (char c : text.take_front(40)) {
    if (isPrint(c) || static_cast<signed char>(c) < 0)
      result += c;
    else
      result += "\\x" + utohexstr(static_cast<unsigned char>(c), true, 2);
  }
  return result + (text.size() > 40 ? "..`" : "`");
}

} // namespace kv
