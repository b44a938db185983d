// The checked tree: every name resolved, every size known, every default filled in. Emit and Printer read it; it has no errors.
#ifndef KV_FRONTEND_SPEC_H
#define KV_FRONTEND_SPEC_H

#include "compiler/frontend/Ast.h"
#include "dialect/KvAttrs.h"

#include <string>

namespace kv {

/// A parameter of a cache with its value.
struct CheckedParameter {
  Word name;
  int64_t value = 0;
  const Expr *syntax = nullptr; ///< as written; null when overridden or left to its default
  bool overridden = false;
  mutable bool used = false; ///< read by an expression: one that is not is a mistake of the user
};

struct CheckedCodec {
  const CodecSyntax *syntax = nullptr;
  Element element = Element::f32;
  int64_t group = 0; ///< channels; 0 for scalar elements
  ZeroPoint zero = ZeroPoint::sym;
  Element scale = Element::f32;

  bool isInteger() const { return isCode(element); }
  int64_t bits() const { return bitsOf(element); }
};

struct CheckedCache {
  const CacheSyntax *syntax = nullptr;
  std::vector<CheckedParameter> parameters; ///< `Dv` included, given or not
  int64_t queryHeads = 0, heads = 0, keyDim = 0, valueDim = 0;
  CheckedCodec key, value;
  LayoutKind layout = LayoutKind::paged;
  int64_t slots = 0, tile = 0;             ///< tile 0: none, or as `auto` likes
  std::vector<Digit> keyOrder, valueOrder; ///< empty: auto
  Element tokenType = Element::f32;        ///< of the keys and values given to append: the q type of the attends

  llvm::StringRef name() const { return syntax->name.text; }
};

struct CheckedSchedule {
  const ScheduleSyntax *syntax = nullptr;
  struct Entry {
    llvm::StringRef key;
    int64_t value;        ///< of a number
    llvm::StringRef word; ///< of `dot`
  };
  std::vector<Entry> entries;
};

struct CheckedAttend {
  const AttendSyntax *syntax = nullptr;
  size_t cache = 0; ///< index into CheckedFile::caches
  Element queryType = Element::f32, outputType = Element::f32;
  int64_t least = 1, most = 1;
  const Expr *mask = nullptr; ///< null when the file has none: `j <= i`
  double scale = 1;
  const Expr *score = nullptr; ///< null when the score is `s` itself
  std::optional<size_t> sinks; ///< the array, by its place
  Accuracy accuracy = Accuracy::high;
  std::vector<CheckedSchedule> schedules;

  llvm::StringRef name() const { return syntax->name.text; }
  bool hasLse() const { return bool(syntax->lse); }
};

struct CheckedFile {
  std::unique_ptr<FileSyntax> syntax;
  std::vector<CheckedCache> caches;
  std::vector<CheckedAttend> attends;
};

/// Values of parameters from outside the file (`-p Hq=64`); they replace the defaults in every cache that has the name.
struct ParseOptions {
  std::vector<std::pair<std::string, int64_t>> params;
};

} // namespace kv

#endif
