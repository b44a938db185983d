// Decoder.cpp: see Decoder.h.
#include "Decoder.h"

#include "Warp.h"

#include <algorithm>
#include <fmt/format.h>

namespace kv::ptx {

const Register *Scopes::findRegister(std::string_view name) const {
  const std::string key(name);
  for (auto scope = registers.rbegin(); scope != registers.rend(); ++scope)
    if (auto found = scope->find(key); found != scope->end())
      return &found->second;
  return nullptr;
}

Variable *Scopes::findVariable(std::string_view name) const {
  for (auto variable = variables.rbegin(); variable != variables.rend(); ++variable)
    if ((*variable)->name == name)
      return *variable;
  return nullptr;
}

const Lanes *Scopes::constant(uint64_t value) {
  const Lanes *&row = constants[value];
  if (!row) {
    kernel->constants.emplace_back().fill(value);
    row = &kernel->constants.back();
  }
  return row;
}

Decoder::Decoder(Instruction &in, Scopes &scopes, std::string_view mnemonic, const std::vector<Syntax> &syntax)
    : in(in), syntax(syntax), scopes(scopes), mnemonic(mnemonic) {
  for (size_t at = 0; at <= mnemonic.size();) {
    const size_t dot = std::min(mnemonic.find('.', at), mnemonic.size());
    words.push_back(mnemonic.substr(at, dot - at));
    at = dot + 1;
  }
}

void Decoder::fail(const std::string &message) const { throw TextError(in.line, fmt::format("{} in `{}`", message, in.text)); }

bool Decoder::has(std::string_view word) const {
  for (size_t i = 1; i < words.size(); ++i)
    if (words[i] == word)
      return true;
  return false;
}

Type Decoder::type(int i) const {
  std::vector<Type> types;
  for (size_t word = 1; word < words.size(); ++word)
    if (Type found = typeNamed(words[word]); found != Type::none)
      types.push_back(found);
  const int at = i < 0 ? int(types.size()) + i : i;
  return at >= 0 && at < int(types.size()) ? types[at] : Type::none;
}

void Decoder::count(size_t least, size_t most) const {
  if (syntax.size() < least || syntax.size() > std::max(least, most))
    fail(fmt::format("expected {} operands, got {}", least, syntax.size()));
}

Operand Decoder::registerOperand(const Syntax &operand, Type type, bool wide) const {
  const Register *found = scopes.findRegister(operand.text);
  if (!found)
    fail(fmt::format("`{}` is not declared", operand.text));
  const unsigned declared = bitsOf(found->type), wanted = bitsOf(type);
  if ((found->type == Type::pred) != (type == Type::pred) || (wide ? declared < wanted : declared != wanted))
    fail(fmt::format("`{}` is declared .{}, expected a register of .{}", operand.text, nameOf(found->type), nameOf(type)));
  Operand result;
  result.kind = type == Type::pred ? Operand::predicate : Operand::reg;
  result.negated = operand.negated;
  result.bits = uint8_t(declared);
  result.index = found->index;
  return result;
}

void Decoder::readOne(const Syntax &operand, Type type, bool wide) {
  Operand result;
  const unsigned bits = bitsOf(type);
  result.bits = uint8_t(bits);
  result.kind = Operand::constant;
  switch (operand.kind) {
  case Syntax::integer:
    if (type == Type::pred) { // true unless 0
      result.row = scopes.constant(operand.value ? 1 : 0);
      break;
    }
    if (type == Type::f32 || type == Type::f64)
      fail("an integer is no floating-point constant");
    result.row = scopes.constant(lowBits(operand.value, bits));
    break;
  case Syntax::float32:
  case Syntax::float64:
    if (bits != (operand.kind == Syntax::float32 ? 32u : 64u))
      fail(fmt::format("a floating-point constant of another size than .{}", nameOf(type)));
    result.row = scopes.constant(operand.value);
    break;
  case Syntax::name: {
    unsigned specialBits = 0;
    if (const int special = specialRegister(operand.text, specialBits); special >= 0) {
      if (bits != specialBits && !(wide && bits < specialBits))
        fail(fmt::format("`{}` has {} bits, expected .{}", operand.text, specialBits, nameOf(type)));
      result.kind = special >= Warp::specialRows ? Operand::clock : Operand::special;
      result.index = uint32_t(special);
      break;
    }
    if (Variable *variable = scopes.findVariable(operand.text)) {
      if (bits != 64 && !(bits == 32 && variable->space != Space::global && variable->space != Space::constant))
        fail(fmt::format("the address of `{}` needs 64 bits", operand.text));
      Lanes &row = scopes.kernel->constants.emplace_back();
      variable->uses.push_back({&row, operand.offset, bits});
      row.fill(variable->address + operand.offset);
      result.row = &row;
      break;
    }
    result = registerOperand(operand, type, wide);
    break;
  }
  default:
    fail("expected a register or a constant");
  }
  in.operands.push_back(result);
}

void Decoder::writeOne(const Syntax &operand, Type type, bool wide) {
  if (operand.kind == Syntax::sink) {
    in.operands.push_back({});
    in.operands.back().bits = uint8_t(bitsOf(type));
    return;
  }
  if (operand.kind != Syntax::name || operand.negated)
    fail("expected a register to write");
  in.operands.push_back(registerOperand(operand, type, wide));
}

void Decoder::readVector(size_t i, Type type, size_t n, bool wide) {
  if (elements(i) != n)
    fail(fmt::format("expected {} elements, got {}", n, elements(i)));
  if (syntax[i].kind != Syntax::vector)
    return readOne(syntax[i], type, wide);
  for (const Syntax &part : syntax[i].parts)
    readOne(part, type, wide);
}

void Decoder::writeVector(size_t i, Type type, size_t n, bool wide) {
  if (elements(i) != n)
    fail(fmt::format("expected {} elements, got {}", n, elements(i)));
  if (syntax[i].kind != Syntax::vector)
    return writeOne(syntax[i], type, wide);
  for (const Syntax &part : syntax[i].parts)
    writeOne(part, type, wide);
}

void Decoder::writeSecond(size_t i, Type type) {
  Syntax operand;
  operand.text = syntax.at(i).second;
  operand.kind = operand.text.empty() || operand.text == "_" ? Syntax::sink : Syntax::name;
  writeOne(operand, type, false);
}

void Decoder::address(size_t i, Space space) {
  const Syntax &operand = syntax.at(i);
  if (operand.kind != Syntax::address)
    fail("expected an address in brackets");
  Operand result;
  result.kind = Operand::constant;
  result.bits = 64;
  if (operand.text.empty()) {
    result.row = scopes.constant(uint64_t(operand.offset));
  } else if (Variable *variable = scopes.findVariable(operand.text)) {
    if (space != Space::generic && variable->space != space)
      fail(fmt::format("`{}` is in another space", operand.text));
    if (space == Space::generic && variable->space != Space::global && variable->space != Space::constant)
      fail(fmt::format("`{}` has no generic address; use cvta", operand.text));
    Lanes &row = scopes.kernel->constants.emplace_back();
    variable->uses.push_back({&row, operand.offset, 64});
    row.fill(variable->address + operand.offset);
    result.row = &row;
  } else {
    const Register *found = scopes.findRegister(operand.text);
    if (!found)
      fail(fmt::format("`{}` is not declared", operand.text));
    const unsigned bits = bitsOf(found->type);
    if (bits != 64 && !(bits == 32 && (space == Space::shared || space == Space::local || space == Space::param)))
      fail(fmt::format("`{}` of {} bits cannot be an address here", operand.text, bits));
    result.kind = Operand::reg;
    result.bits = uint8_t(bits);
    result.index = found->index;
    result.offset = operand.offset;
  }
  in.operands.push_back(result);
}

int64_t Decoder::constant(size_t i) const {
  if (syntax.at(i).kind != Syntax::integer)
    fail("expected a constant");
  return int64_t(syntax[i].value);
}

bool Decoder::isPredicate(size_t i) const {
  const Register *found = syntax.at(i).kind == Syntax::name ? scopes.findRegister(syntax[i].text) : nullptr;
  return found && found->type == Type::pred;
}

std::string_view Decoder::label(size_t i) const {
  if (syntax.at(i).kind != Syntax::name)
    fail("expected a label");
  return syntax[i].text;
}

} // namespace kv::ptx
