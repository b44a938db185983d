// Identifiers: words of the language, keywords of C and C++, symbols of the generated header, `-p` overrides.
#include "compiler/frontend/ChecksImpl.h"
#include "compiler/frontend/HeaderNames.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Regex.h"

#include <dlfcn.h>

using namespace llvm;

namespace kv {

static bool isKeyword(StringRef name) {
  static const StringSet<> keywords = {"alignas",
                                       "alignof",
                                       "and",
                                       "and_eq",
                                       "asm",
                                       "auto",
                                       "bitand",
                                       "bitor",
                                       "bool",
                                       "break",
                                       "case",
                                       "catch",
                                       "char",
                                       "char16_t",
                                       "char32_t",
                                       "char8_t",
                                       "class",
                                       "co_await",
                                       "co_return",
                                       "co_yield",
                                       "compl",
                                       "concept",
                                       "const",
                                       "const_cast",
                                       "consteval",
                                       "constexpr",
                                       "constinit",
                                       "continue",
                                       "decltype",
                                       "default",
                                       "delete",
                                       "do",
                                       "double",
                                       "dynamic_cast",
                                       "else",
                                       "enum",
                                       "explicit",
                                       "export",
                                       "extern",
                                       "false",
                                       "float",
                                       "for",
                                       "friend",
                                       "goto",
                                       "if",
                                       "inline",
                                       "int",
                                       "long",
                                       "mutable",
                                       "namespace",
                                       "new",
                                       "noexcept",
                                       "not",
                                       "not_eq",
                                       "nullptr",
                                       "operator",
                                       "or",
                                       "or_eq",
                                       "private",
                                       "protected",
                                       "public",
                                       "register",
                                       "reinterpret_cast",
                                       "requires",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "sizeof",
                                       "static",
                                       "static_assert",
                                       "static_cast",
                                       "struct",
                                       "switch",
                                       "template",
                                       "this",
                                       "thread_local",
                                       "throw",
                                       "true",
                                       "try",
                                       "typedef",
                                       "typeid",
                                       "typename",
                                       "typeof",
                                       "typeof_unqual",
                                       "union",
                                       "unsigned",
                                       "using",
                                       "virtual",
                                       "void",
                                       "volatile",
                                       "wchar_t",
                                       "while",
                                       "xor",
                                       "xor_eq"};
  return keywords.contains(name);
}

static bool isWordOfTheLanguage(StringRef name) {
  static const StringSet<> words = {"s",   "i",   "j",   "h",   "t",   "d",    "k",       "v",      "q",     "o",      "lse",
                                    "min", "max", "abs", "exp", "log", "tanh", "sigmoid", "select", "cache", "attend", "schedule"};
  return words.contains(name);
}

bool checkIdentifier(const Word &name, StringRef what, Diagnostics &diagnostics) {
  std::string text = name.text.str();
  if (isWordOfTheLanguage(name.text)) {
    diagnostics.error(DiagKind::reserved_name, name.range, {text, what.str()});
    return false;
  }
  if (isKeyword(name.text)) {
    diagnostics.error(DiagKind::c_keyword, name.range, {text});
    return false;
  }
  return true;
}

bool checkSymbolPart(const Word &name, StringRef what, Diagnostics &diagnostics) {
  StringRef text = name.text;
  bool declares = text == "cache" || text == "attend" || text == "schedule";
  if ((declares || isKeyword(text)) && !checkIdentifier(name, what, diagnostics))
    return false;
  StringRef reason;
  std::string first = text.split('_').first.lower();
  if (what == "a cache" && (first == "kv" || first == "kvrt"))
    reason = "names that start with `kv_` or `kvrt_`, in capitals or not, are the runtime's";
  else if (text.starts_with("_") || text.ends_with("_") || text.contains("__"))
    reason = "it neither starts nor ends with `_`, and never has two in a row";
  if (reason.empty())
    return true;
  diagnostics.error(DiagKind::reserved_symbol, name.range, {text.str(), reason.str()});
  return false;
}

/// Whether the C library or its mathematics has the symbol: a kernel of that name links, and is what everyone then calls.
static bool isInTheCLibrary(const std::string &symbol) {
  static void *const libraries[] = {dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), dlopen("libm.so.6", RTLD_LAZY | RTLD_NOLOAD)};
  return llvm::any_of(libraries, [&](void *library) { return library && dlsym(library, symbol.c_str()); });
}

/// Whether the headers that a generated one includes, <stdint.h> and <stddef.h>, have a macro or a type of that name.
static bool isInTheStandardHeaders(StringRef symbol) {
  static const Regex macro("^(U?INT((_LEAST|_FAST)?(8|16|32|64)|MAX|PTR)|SIZE|PTRDIFF|WCHAR|WINT|SIG_ATOMIC)_(MIN|MAX|C|WIDTH)$");
  static const Regex type("^(u?int((_least|_fast)?(8|16|32|64)|max|ptr)|size|ptrdiff|max_align)_t$");
  return macro.match(symbol) || type.match(symbol);
}

void checkSymbols(const FileSyntax &file, Diagnostics &diagnostics) {
  StringMap<SMRange> taken;
  StringSet<> macros;
  for (const auto &cache : file.caches)
    for (const char *macro : cacheMacros)
      macros.insert(macroPrefix(cache->name.text) + "_" + macro);
  auto take = [&](const std::string &symbol, SMRange range) {
    if (isKeyword(symbol)) {
      diagnostics.error(DiagKind::c_keyword, range, {symbol});
      return;
    }
    if (isInTheCLibrary(symbol)) {
      diagnostics.error(DiagKind::library_symbol, range, {symbol});
      return;
    }
    if (isInTheStandardHeaders(symbol)) {
      diagnostics.error(DiagKind::header_symbol, range, {symbol});
      return;
    }
    if (macros.contains(symbol)) {
      diagnostics.error(DiagKind::macro_symbol, range, {symbol});
      return;
    }
    auto [it, isNew] = taken.try_emplace(symbol, range);
    if (!isNew)
      diagnostics.error(DiagKind::symbol_collision, range, {symbol}).note(it->second, "the other one comes from here");
  };
  StringSet<> caches;
  for (const auto &cache : file.caches)
    if (caches.insert(cache->name.text).second)
      take((cache->name.text + "_append").str(), cache->name.range);
  StringSet<> attends; // a name given twice has its own error
  for (const auto &attend : file.attends) {
    std::string symbol = (attend->cache.text + "_" + attend->name.text).str();
    if (!caches.contains(attend->cache.text) || !attends.insert((attend->cache.text + " " + attend->name.text).str()).second)
      continue;
    take(symbol, attend->name.range);
    take((attend->cache.text + "_append_" + attend->name.text).str(), attend->name.range);
  }
}

void checkOverrides(const FileSyntax &file, const ParseOptions &options, Diagnostics &diagnostics) {
  if (file.caches.empty())
    return;
  SMRange where = file.caches.front()->name.range;
  for (auto [i, override] : enumerate(options.params)) {
    const auto &[name, value] = override;
    SmallVector<StringRef> known = {"Dv"};
    for (const auto &cache : file.caches)
      for (const ParameterSyntax &parameter : cache->parameters)
        known.push_back(parameter.name.text);
    if (!is_contained(known, name))
      diagnostics.error(DiagKind::unknown_override, where, {name, std::to_string(value)}).hint(didYouMean(name, known));
    for (size_t other = 0; other < i; ++other)
      if (options.params[other].first == name)
        diagnostics.error(DiagKind::duplicate_override, where, {name});
  }
}

} // namespace kv
