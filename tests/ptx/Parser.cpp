// Parser.cpp: a module's directives and variables (PTX ISA 5.4, 11). Bodies of kernels are KernelParser's.
#include "KernelParser.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kv::ptx {
namespace {

class ModuleParser {
public:
  explicit ModuleParser(std::string_view text) : lexer(text), module(std::make_unique<Module>()) {}

  std::unique_ptr<Module> parse() {
    while (lexer.kind != Token::end)
      topLevel();
    if (!module->version || !module->target)
      lexer.fail("a module without `.version` and `.target`");
    return std::move(module);
  }

private:
  void topLevel() {
    const std::string directive(lexer.take(Token::directive, "a directive"));
    if (directive == ".version") {
      const uint64_t major = lexer.value;
      lexer.take(Token::integer, "a version");
      const std::string_view minor = lexer.take(Token::directive, "a version");
      module->version = unsigned(major * 10 + unsigned(minor.at(1) - '0'));
    } else if (directive == ".target") {
      target();
    } else if (directive == ".address_size") {
      if (lexer.value != 64)
        lexer.fail("only `.address_size 64` is known");
      lexer.take(Token::integer, "a number");
    } else if (directive == ".file" || directive == ".loc" || directive == ".pragma") {
      skipLine();
    } else if (directive == ".section") {
      while (!lexer.accept("}"))
        lexer.kind == Token::end ? lexer.fail("a section without end") : lexer.advance();
    } else {
      declaration(directive);
    }
  }

  void target() {
    do {
      const std::string_view name = lexer.take(Token::word, "a target");
      if (name.substr(0, 3) != "sm_")
        continue; // texmode and debug
      module->target = 0;
      module->specific = name.back() == 'a';
      for (const char c : name.substr(3))
        if (c >= '0' && c <= '9')
          module->target = module->target * 10 + unsigned(c - '0');
    } while (lexer.accept(","));
  }

  void skipLine() {
    for (const unsigned line = lexer.line; lexer.line == line && lexer.kind != Token::end;)
      lexer.advance();
  }

  void declaration(std::string directive) {
    bool external = false;
    while (directive == ".extern" || directive == ".visible" || directive == ".weak" || directive == ".common") {
      external = directive == ".extern";
      directive = lexer.take(Token::directive, "a directive");
    }
    if (directive == ".entry") {
      entry();
    } else if (directive == ".func") {
      lexer.fail(external ? "an external function" : "functions are not supported; inline them");
    } else {
      module->variables.push_back(parseVariable(lexer, directive, external));
      for (const auto &other : module->variables)
        if (other != module->variables.back() && other->name == module->variables.back()->name)
          lexer.fail(fmt::format("`{}` is declared twice", other->name));
    }
  }

  void entry() {
    auto kernel = std::make_unique<Kernel>();
    kernel->name = lexer.take(Token::word, "a name");
    parseKernel(lexer, *module, *kernel);
    if (!module->kernels.emplace(kernel->name, std::move(kernel)).second)
      lexer.fail("a kernel declared twice");
  }

  Lexer lexer;
  std::unique_ptr<Module> module;
};

/// The bits of one initial value of `type`.
uint64_t initialValue(Lexer &lexer) {
  const bool minus = lexer.accept("-");
  if (lexer.kind != Token::integer && lexer.kind != Token::float32 && lexer.kind != Token::float64)
    lexer.fail("an initial value that is no number");
  const uint64_t value = minus ? 0 - lexer.value : lexer.value;
  lexer.advance();
  return value;
}

void initialValues(Lexer &lexer, unsigned bytes, std::vector<uint8_t> &into) {
  if (lexer.accept("{")) {
    while (!lexer.accept("}")) {
      initialValues(lexer, bytes, into);
      lexer.accept(",");
    }
    return;
  }
  const uint64_t value = initialValue(lexer);
  for (unsigned i = 0; i < bytes; ++i)
    into.push_back(uint8_t(value >> (8 * i)));
}

} // namespace

std::unique_ptr<Variable> parseVariable(Lexer &lexer, std::string_view space, bool external) {
  auto variable = std::make_unique<Variable>();
  constexpr std::pair<std::string_view, Space> spaces[] = {{".global", Space::global},
                                                           {".const", Space::constant},
                                                           {".shared", Space::shared},
                                                           {".local", Space::local},
                                                           {".param", Space::param}};
  const auto found = std::find_if(std::begin(spaces), std::end(spaces), [&](const auto &entry) { return entry.first == space; });
  if (found == std::end(spaces))
    lexer.fail(fmt::format("`{}` is not supported", space));
  variable->space = found->second;
  Type type = Type::none;
  int64_t alignment = 0, elements = 1;
  while (lexer.kind == Token::directive) { // PTX ISA 5.4.2, 5.4.5; `.ptr` describes where a pointer points (11.1)
    const std::string word(lexer.take(Token::directive, "a directive"));
    if (word == ".ptr") {
      while (lexer.kind == Token::directive)
        if (lexer.take(Token::directive, "") == ".align")
          lexer.take(Token::integer, "an alignment");
    } else if (word == ".align") {
      alignment = int64_t(lexer.value);
      lexer.take(Token::integer, "an alignment");
    } else if (word == ".v2" || word == ".v4") {
      elements = word[2] - '0';
    } else if (Type named = typeNamed(word.substr(1)); named != Type::none) {
      type = named;
    } else {
      lexer.fail(fmt::format("`{}` in the declaration of a variable", word));
    }
  }
  if (type == Type::none)
    lexer.fail("a variable without type");
  const int64_t element = bitsOf(type) / 8;
  variable->alignment = alignment ? alignment : element * elements;
  variable->name = lexer.take(Token::word, "a name");
  while (lexer.accept("[")) {
    if (lexer.accept("]")) {
      variable->dynamic = true;
      continue;
    }
    elements *= int64_t(lexer.value);
    lexer.take(Token::integer, "a size");
    lexer.expect("]");
  }
  variable->bytes = variable->dynamic ? 0 : element * elements;
  if (external && !(variable->dynamic && variable->space == Space::shared))
    lexer.fail(fmt::format("`{}` is external", variable->name));
  if (variable->dynamic && !external)
    lexer.fail(fmt::format("`{}` without size", variable->name));
  if (lexer.accept("="))
    initialValues(lexer, unsigned(element), variable->initial);
  if (int64_t(variable->initial.size()) > variable->bytes)
    lexer.fail(fmt::format("more initial values than `{}` holds", variable->name));
  if (variable->space != Space::param)
    lexer.expect(";");
  return variable;
}

ParseResult parseModule(std::string_view text) {
  ParseResult result;
  try {
    result.module = ModuleParser(text).parse();
  } catch (const TextError &error) {
    result.error = error.what();
  }
  return result;
}

} // namespace kv::ptx
