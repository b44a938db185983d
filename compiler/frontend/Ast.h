// The syntax tree: what a `.kv` file says, with the range of each word. Text is referred to, not copied: the source outlives it.
#ifndef KV_FRONTEND_AST_H
#define KV_FRONTEND_AST_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"

#include <memory>
#include <optional>
#include <vector>

namespace kv {

/// A word and where it stands.
struct Word {
  llvm::StringRef text;
  llvm::SMRange range;

  explicit operator bool() const { return !text.empty(); }
};

enum class ExprKind { integer, number, boolean, name, unary, binary, call, index };

/// Types of expressions inside `score` and `mask`.
enum class ExprType { unknown, integer, number, boolean };

/// An expression. Operators keep their spelling: `+ - * / ** < <= > >= == != && || !`.
struct Expr {
  ExprKind kind;
  llvm::SMRange range;
  int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  Word word; ///< name, operator, function or array
  llvm::SmallVector<std::unique_ptr<Expr>, 2> operands;
  unsigned depth = 1;                ///< levels below and including this one; bounded by the parser
  ExprType type = ExprType::unknown; ///< set by the checks of scores

  bool isName(llvm::StringRef name) const { return kind == ExprKind::name && word.text == name; }
  bool isOperator(llvm::StringRef op) const { return (kind == ExprKind::binary || kind == ExprKind::unary) && word.text == op; }
};
using ExprPtr = std::unique_ptr<Expr>;

/// `i8 group(d:32) asym scale f16`
struct CodecSyntax {
  Word type;
  llvm::SMRange range;
  Word group;        ///< the word `group`, when given
  ExprPtr groupSize; ///< null for `group(d:*)`
  Word zero, scale;  ///< empty when not given
};

/// One digit of an order: `t`, `t/16`, `d%4`, `d/4%2`.
struct DigitSyntax {
  Word letter;
  llvm::SMRange range;
  ExprPtr divisor, extent; ///< null when not given
};

/// `[h, t, d]` or `auto` (no digits).
struct OrderSyntax {
  llvm::SMRange range;
  std::vector<DigitSyntax> digits;
};

struct LayoutSyntax {
  Word kind; ///< `dense` or `paged`; empty when the clause is absent
  ExprPtr slots;
  ExprPtr tile;                          ///< null when not given
  std::optional<OrderSyntax> key, value; ///< one order for both stands in both
  bool separate = false;                 ///< written as `k .., v ..`
  bool broken = false;                   ///< could not be read to its end
};

struct ParameterSyntax {
  Word name;
  ExprPtr value;
};

struct CacheSyntax {
  Word name;
  std::vector<ParameterSyntax> parameters;
  std::optional<CodecSyntax> key, value; ///< `k, v: ..` stands in key; value is empty and sharedCodec set
  bool sharedCodec = false;
  LayoutSyntax layout;
  bool headless = false; ///< its name or parameters could not be made out: not checked further
  bool partial = false;  ///< a clause could not be made out, or is refused: what is missing is no error

  const CodecSyntax *valueCodec() const { return sharedCodec ? &*key : value ? &*value : nullptr; }
};

struct ArraySyntax {
  Word name, type;
  ExprPtr extent;
};

struct AttendSyntax {
  Word name, queryType, cache, outputType, lse, lseType, accuracy;
  ExprPtr least, most; ///< most is null for `[N]`, exactly N queries
  llvm::SMRange rangeOfQueries;
  std::vector<ArraySyntax> arrays;
  Word maskWord, scaleWord, scoreWord, sinksWord;
  Word sinks; ///< the name of an array; empty when not given
  ExprPtr mask, scale, score;
  bool headless = false, partial = false; ///< as of caches
};

struct ScheduleSyntax {
  struct Entry {
    Word key;
    ExprPtr value; ///< of a number
    Word word;     ///< of `dot` and `masks`
  };
  Word attend, target;
  std::vector<Entry> entries;
  bool broken = false;
};

/// All that the sources of one run declare, in their order.
struct FileSyntax {
  std::vector<std::unique_ptr<CacheSyntax>> caches;
  std::vector<std::unique_ptr<AttendSyntax>> attends;
  std::vector<std::unique_ptr<ScheduleSyntax>> schedules;
  bool broken = false; ///< a declaration could not be made out: names may be missing
};

} // namespace kv

#endif
