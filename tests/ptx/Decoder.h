// Decoder.h: one instruction from its mnemonic and operands. The families of instructions (…Ops.cpp) hold tables of Rows.
#ifndef KV_TESTS_PTX_DECODER_H
#define KV_TESTS_PTX_DECODER_H

#include "Lexer.h"
#include "Module.h"

#include <span>
#include <unordered_map>

namespace kv::ptx {

/// An operand as written. name: a register, special register, variable or label, with the offset of an address.
struct Syntax {
  enum Kind : uint8_t { name, integer, float32, float64, vector, address, sink } kind = name;
  bool negated = false; // !%p
  uint64_t value = 0;
  int64_t offset = 0; // of an address or a variable; all of the address if `text` is empty
  std::string_view text;
  std::string_view second; // the p2 of p1|p2
  std::vector<Syntax> parts;
};

struct Register {
  Type type;
  uint32_t index;
};

/// What names mean inside a kernel, innermost braces last.
struct Scopes {
  Kernel *kernel;
  std::vector<std::unordered_map<std::string, Register>> registers;
  std::vector<Variable *> variables; // of the module and of the kernel; parameters too
  std::map<uint64_t, const Lanes *> constants;

  const Register *findRegister(std::string_view name) const;
  Variable *findVariable(std::string_view name) const;
  const Lanes *constant(uint64_t value);
};

/// Turns Syntax into the operands of `in`, in the order of the calls. Sizes that do not fit are TextErrors.
class Decoder {
public:
  Decoder(Instruction &in, Scopes &scopes, std::string_view mnemonic, const std::vector<Syntax> &syntax);

  Instruction &in;
  std::vector<std::string_view> words; // of the mnemonic, without dots
  const std::vector<Syntax> &syntax;

  bool has(std::string_view word) const;
  /// The i-th type among the words; from the end if negative.
  Type type(int i = -1) const;
  void count(size_t least, size_t most = 0) const;

  /// Register or constant of exactly the bits of `type`; with `wide` a register may be larger (ld, st, cvt; PTX ISA 9.4.1).
  void read(size_t i, Type type, bool wide = false) { readOne(syntax.at(i), type, wide); }
  void write(size_t i, Type type, bool wide = false) { writeOne(syntax.at(i), type, wide); }
  /// {..} of `n` elements; one element may stand without braces.
  void readVector(size_t i, Type type, size_t n, bool wide = false);
  void writeVector(size_t i, Type type, size_t n, bool wide = false);
  size_t elements(size_t i) const { return syntax.at(i).kind == Syntax::vector ? syntax[i].parts.size() : 1; }
  /// The q of `p|q`; nothing where it is absent.
  void writeSecond(size_t i, Type type);
  /// [register+offset], [variable+offset] or [number].
  void address(size_t i, Space space);
  int64_t constant(size_t i) const;
  std::string_view label(size_t i) const;
  bool isPredicate(size_t i) const;

  [[noreturn]] void fail(const std::string &message) const;

private:
  void readOne(const Syntax &operand, Type type, bool wide);
  void writeOne(const Syntax &operand, Type type, bool wide);
  Operand registerOperand(const Syntax &operand, Type type, bool wide) const;

  Scopes &scopes;
  std::string_view mnemonic;
};

/// A whitelist entry: `pattern` is text with {a|b|} for alternatives and <set> for a named set of types.
struct Row {
  const char *pattern;
  Handler (*build)(Decoder &);
};

std::span<const Row> integerRows();
std::span<const Row> bitRows();
std::span<const Row> floatRows();
std::span<const Row> halfRows();
std::span<const Row> convertRows();
std::span<const Row> compareRows();
std::span<const Row> moveRows();
std::span<const Row> memoryRows();
std::span<const Row> atomicRows();
std::span<const Row> fenceRows();
std::span<const Row> barrierRows();
std::span<const Row> asyncRows();
std::span<const Row> mbarrierRows();
std::span<const Row> warpRows();
std::span<const Row> controlRows();
std::span<const Row> mmaRows();
std::span<const Row> matrixRows();

/// The row whose pattern is the whole mnemonic; null where none is.
const Row *findRow(std::string_view mnemonic);
bool matches(std::string_view pattern, std::string_view mnemonic);

/// Index of a special register's row in a warp; -1 where there is none. `bits` is its size.
int specialRegister(std::string_view name, unsigned &bits);

} // namespace kv::ptx
#endif
