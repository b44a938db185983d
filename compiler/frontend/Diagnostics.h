// Errors of a `.kv` file: collected while the frontend runs, printed once as text with carets or as JSON.
#ifndef KV_FRONTEND_DIAGNOSTICS_H
#define KV_FRONTEND_DIAGNOSTICS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"
#include "llvm/Support/SourceMgr.h"

#include <deque>
#include <string>
#include <vector>

namespace kv {

/// The kinds of error: the rows of Diagnostics.def.
enum class DiagKind {
#define KV_DIAG(kind, message, help) kind,
#include "compiler/frontend/Diagnostics.def"
};

/// Name of a kind as it stands in Diagnostics.def and in JSON output.
llvm::StringRef diagKindName(DiagKind kind);
/// All kinds, in the table's order.
llvm::ArrayRef<DiagKind> allDiagKinds();

/// One error with its notes and its help.
struct Diagnostic {
  struct Note {
    llvm::SMRange range;
    std::string text;
  };

  DiagKind kind;
  llvm::SMRange range;
  std::string message;
  std::vector<Note> notes;
  std::string help;

  Diagnostic &note(llvm::SMRange where, std::string text) {
    notes.push_back({where, std::move(text)});
    return *this;
  }
  /// Replaces the table's help; an empty text leaves it.
  Diagnostic &hint(std::string text) {
    if (!text.empty())
      help = std::move(text);
    return *this;
  }
};

/// Collects up to `limit` errors of one run.
class Diagnostics {
public:
  explicit Diagnostics(const llvm::SourceMgr &sources, size_t limit = 20) : sources(sources), limit(limit) {}

  /// Reports an error; `args` fill {0}, {1}, ... of its row.
  Diagnostic &error(DiagKind kind, llvm::SMRange range, llvm::ArrayRef<std::string> args = {});

  const llvm::SourceMgr &sourceManager() const { return sources; }
  bool hasErrors() const { return count != 0; }
  size_t errorCount() const { return count; }
  /// True once as many errors as are kept were found.
  bool full() const { return count >= limit; }
  /// The errors, in the order of the source.
  std::vector<const Diagnostic *> sorted() const;

  /// `file:line:column: error: ...`, the line with a caret, notes, help.
  void print(llvm::raw_ostream &os) const;
  /// A JSON array with one object for each error.
  void printJson(llvm::raw_ostream &os) const;

private:
  void printLine(llvm::raw_ostream &os, llvm::SMLoc loc, llvm::StringRef severity, llvm::StringRef text) const;
  void printSnippet(llvm::raw_ostream &os, llvm::SMRange range) const;

  const llvm::SourceMgr &sources;
  size_t limit, count = 0;
  bool dropped = false;
  std::deque<Diagnostic> kept;
  Diagnostic overflow{};
};

/// `did you mean` + the nearest of `known`, or an empty string when none is near.
std::string didYouMean(llvm::StringRef seen, llvm::ArrayRef<llvm::StringRef> known);

/// Backticks around `text`, control characters written out, long text cut.
std::string quoted(llvm::StringRef text);

} // namespace kv

#endif
