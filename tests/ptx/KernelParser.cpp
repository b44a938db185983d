// KernelParser.cpp: parameters, declarations and instructions of one kernel.
#include "KernelParser.h"

#include <algorithm>
#include <fmt/format.h>

namespace kv::ptx {
namespace {

int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

bool isLabel(Lexer lexer) {
  lexer.advance();
  return lexer.is(":");
}

class KernelParser {
public:
  KernelParser(Lexer &lexer, Module &module, Kernel &kernel)
      : lexer(lexer), module(module), kernel(kernel), scopes{&kernel, {}, {}, {}} {}

  void parse() {
    for (const auto &variable : module.variables)
      scopes.variables.push_back(variable.get());
    parameters();
    directives();
    placeModuleShared();
    lexer.expect("{");
    block();
    scopes.registers.clear();
    Instruction &end = kernel.code.emplace_back();
    const std::vector<Syntax> none;
    Decoder decoder(end, scopes, "ret", none);
    end.text = "(end of the kernel)";
    end.line = lexer.line;
    end.execute = findRow("ret")->build(decoder);
    for (const auto &[instruction, label, line, scope] : jumps)
      kernel.code[instruction].target = findLabel(label, scope, line);
    placeDynamicShared();
    findReconvergence(kernel);
  }

private:
  void parameters() {
    kernel.parameters.reserve(64);
    if (!lexer.accept("("))
      return;
    while (!lexer.accept(")")) {
      auto parameter = parseVariable(lexer, lexer.take(Token::directive, "`.param`"), false);
      kernel.parameterBytes = roundUp(kernel.parameterBytes, parameter->alignment);
      parameter->address = uint64_t(kernel.parameterBytes);
      kernel.parameterBytes += parameter->bytes;
      kernel.parameters.push_back(std::move(*parameter));
      lexer.accept(",");
      if (kernel.parameters.size() == kernel.parameters.capacity())
        lexer.fail("more than 63 parameters");
    }
    for (Variable &parameter : kernel.parameters)
      scopes.variables.push_back(&parameter);
  }

  // PTX ISA 11.4, Performance-Tuning Directives.
  void directives() {
    while (lexer.kind == Token::directive) {
      const std::string_view name = lexer.take(Token::directive, "");
      std::array<unsigned, 3> values = {1, 1, 1};
      for (int i = 0; lexer.kind == Token::integer && i < 3; ++i) {
        values[i] = unsigned(lexer.value);
        lexer.advance();
        lexer.accept(",");
      }
      if (name == ".maxntid")
        kernel.maxThreads = values;
      else if (name == ".reqntid")
        kernel.requiredThreads = kernel.maxThreads = values;
      else if (name == ".pragma")
        pragma();
      else if (name != ".minnctapersm" && name != ".maxnctapersm" && name != ".maxnreg" && name != ".noreturn")
        lexer.fail(fmt::format("`{}` is not supported", name));
    }
  }

  void pragma() {
    while (!lexer.accept(";"))
      lexer.kind == Token::end ? lexer.fail("a pragma without end") : lexer.advance();
  }

  uint64_t placeShared(Variable &variable, uint64_t at) {
    const uint64_t address = uint64_t(roundUp(int64_t(at), variable.alignment));
    variable.place(address);
    kernel.shared.push_back({address, variable.bytes});
    return address + uint64_t(variable.bytes) + sharedGuard;
  }

  void placeModuleShared() {
    kernel.sharedEnd = sharedStart;
    for (const auto &variable : module.variables)
      if (variable->space == Space::shared && !variable->dynamic)
        kernel.sharedEnd = placeShared(*variable, kernel.sharedEnd);
  }

  // An odd multiple of the alignment: code that needs more than it was promised shows it. The rows are this kernel's.
  void placeDynamicShared() {
    int64_t alignment = 16;
    for (const auto &variable : module.variables)
      if (variable->dynamic)
        alignment = std::max(alignment, variable->alignment);
    kernel.dynamicShared = uint64_t(roundUp(int64_t(kernel.sharedEnd), 2 * alignment) + alignment);
    for (const auto &variable : module.variables)
      if (variable->dynamic) {
        variable->place(kernel.dynamicShared);
        variable->uses.clear();
      }
  }

  // A label is known in the braces it stands in and those inside them: inline assembly repeats its labels.
  int32_t findLabel(const std::string &label, size_t scope, unsigned line) const {
    for (;; scope = outerScopes[scope]) {
      if (const auto found = labels.find({scope, label}); found != labels.end())
        return found->second;
      if (scope == 0)
        throw TextError(line, fmt::format("no label `{}`", label));
    }
  }

  void block() {
    scopes.registers.emplace_back();
    const size_t outer = currentScope;
    currentScope = outerScopes.size();
    outerScopes.push_back(outer);
    while (!lexer.accept("}")) {
      if (lexer.kind == Token::end)
        lexer.fail("a kernel without end");
      if (lexer.accept("{")) {
        block();
      } else if (lexer.kind == Token::directive) {
        declaration();
      } else if (lexer.kind == Token::word && isLabel(lexer)) {
        const std::string label(lexer.spelling);
        if (!labels.emplace(std::pair(currentScope, label), int32_t(kernel.code.size())).second)
          lexer.fail(fmt::format("label `{}` twice", label));
        lexer.advance();
        lexer.expect(":");
      } else if (!lexer.accept(";")) {
        instruction();
      }
    }
    scopes.registers.pop_back();
    currentScope = outer;
  }

  void declaration() {
    const std::string_view name = lexer.take(Token::directive, "");
    if (name == ".reg")
      return registers();
    if (name == ".loc" || name == ".file") {
      for (const unsigned line = lexer.line; lexer.line == line && !lexer.is("}") && lexer.kind != Token::end;)
        lexer.advance();
      return;
    }
    if (name == ".pragma")
      return pragma();
    if (name != ".shared" && name != ".local")
      lexer.fail(fmt::format("`{}` is not supported", name));
    kernel.variables.push_back(parseVariable(lexer, name, false));
    Variable &variable = *kernel.variables.back();
    scopes.variables.push_back(&variable);
    if (name == ".shared") {
      kernel.sharedEnd = placeShared(variable, kernel.sharedEnd);
      return;
    }
    const int64_t offset = roundUp(kernel.localBytes, variable.alignment);
    variable.place(localStart + uint64_t(offset));
    kernel.localBytes = offset + variable.bytes;
  }

  // PTX ISA 5.4.6: `.reg .b32 %r<4>;` declares %r0 to %r3.
  void registers() {
    const std::string_view word = lexer.take(Token::directive, "a type");
    const Type type = typeNamed(word.substr(1));
    if (type == Type::none || bitsOf(type) > 64 || bitsOf(type) == 8)
      lexer.fail(fmt::format("registers of `{}`", word));
    do {
      const std::string name(lexer.take(Token::word, "a register"));
      if (lexer.accept("<")) {
        const uint64_t count = lexer.value;
        lexer.take(Token::integer, "a count");
        lexer.expect(">");
        for (uint64_t i = 0; i < count; ++i)
          declare(name + std::to_string(i), type);
      } else {
        declare(name, type);
      }
    } while (lexer.accept(","));
    lexer.expect(";");
  }

  void declare(const std::string &name, Type type) {
    const uint32_t index = type == Type::pred ? kernel.predicates++ : kernel.registers++;
    if (!scopes.registers.back().emplace(name, Register{type, index}).second)
      lexer.fail(fmt::format("`{}` is declared twice", name));
  }

  void instruction() {
    Instruction &in = kernel.code.emplace_back();
    in.line = lexer.line;
    in.text = lexer.sourceLine();
    if (lexer.accept("@")) {
      std::vector<Syntax> guard(1);
      guard[0].negated = lexer.accept("!");
      guard[0].text = lexer.take(Token::word, "a predicate");
      Decoder decoder(in, scopes, "@", guard);
      decoder.read(0, Type::pred);
      in.guard = in.operands.back();
      in.operands.clear();
    }
    const std::string_view mnemonic = lexer.take(Token::word, "an instruction");
    std::vector<Syntax> operands;
    while (!lexer.accept(";")) {
      operands.push_back(operand());
      if (!lexer.is(";"))
        lexer.expect(",");
    }
    const Row *row = findRow(mnemonic);
    if (!row)
      throw TextError(in.line, fmt::format("`{}` is no instruction that this interpreter knows", mnemonic));
    Decoder decoder(in, scopes, mnemonic, operands);
    in.execute = row->build(decoder);
    if (!in.execute)
      decoder.fail("types that do not go together");
    if (in.flow == Instruction::jump)
      jumps.push_back({kernel.code.size() - 1, std::string(decoder.label(0)), in.line, currentScope});
  }

  int64_t offset() {
    if (lexer.accept("+")) {
      const bool minus = lexer.accept("-");
      const int64_t value = int64_t(lexer.value);
      lexer.take(Token::integer, "an offset");
      return minus ? -value : value;
    }
    if (lexer.accept("-")) {
      const int64_t value = int64_t(lexer.value);
      lexer.take(Token::integer, "an offset");
      return -value;
    }
    return 0;
  }

  Syntax operand() {
    Syntax result;
    if (lexer.accept("{")) {
      result.kind = Syntax::vector;
      while (!lexer.accept("}")) {
        result.parts.push_back(operand());
        lexer.accept(",");
      }
      return result;
    }
    if (lexer.accept("[")) {
      result.kind = Syntax::address;
      if (lexer.kind == Token::word)
        result.text = lexer.take(Token::word, "a register");
      else if (lexer.kind == Token::integer)
        result.offset = int64_t(lexer.value), lexer.advance();
      result.offset += offset();
      lexer.expect("]");
      return result;
    }
    result.negated = lexer.accept("!");
    const bool minus = lexer.accept("-"), inverted = lexer.accept("~");
    if (lexer.kind == Token::integer || lexer.kind == Token::float32 || lexer.kind == Token::float64) {
      result.kind = lexer.kind == Token::integer   ? Syntax::integer
                    : lexer.kind == Token::float32 ? Syntax::float32
                                                   : Syntax::float64;
      result.value = minus ? 0 - lexer.value : inverted ? ~lexer.value : lexer.value;
      lexer.advance();
      return result;
    }
    result.text = lexer.take(Token::word, "an operand");
    if (result.text == "_")
      result.kind = Syntax::sink;
    if (lexer.accept("|")) {
      result.second = lexer.take(Token::word, "a predicate");
    } else {
      result.offset = offset();
    }
    return result;
  }

  struct Jump {
    size_t instruction;
    std::string label;
    unsigned line;
    size_t scope;
  };

  Lexer &lexer;
  Module &module;
  Kernel &kernel;
  Scopes scopes;
  std::map<std::pair<size_t, std::string>, int32_t> labels; // by scope
  std::vector<size_t> outerScopes;                          // by scope; the body's is its own
  size_t currentScope = 0;
  std::vector<Jump> jumps;
};

} // namespace

void parseKernel(Lexer &lexer, Module &module, Kernel &kernel) { KernelParser(lexer, module, kernel).parse(); }

} // namespace kv::ptx
