// Lexer.cpp: see Lexer.h.
#include "Lexer.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace kv::ptx {
namespace {

bool isWordStart(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%'; }
bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }

} // namespace

TextError::TextError(unsigned line, const std::string &message) : std::runtime_error(fmt::format("line {}: {}", line, message)) {}

void Lexer::fail(const std::string &message) const { throw TextError(line, message); }

void Lexer::skipBlanks() {
  while (at < text.size()) {
    if (text.substr(at, 2) == "//") {
      at = std::min(text.find('\n', at), text.size());
    } else if (text.substr(at, 2) == "/*") {
      const size_t close = std::min(text.find("*/", at), text.size());
      for (; at < close; ++at)
        lineAt += text[at] == '\n';
      at = std::min(at + 2, text.size());
    } else if (std::isspace(static_cast<unsigned char>(text[at])) || text[at] == '\0') {
      lineAt += text[at++] == '\n';
    } else {
      return;
    }
  }
}

// PTX ISA 4.5, Constants: 0x, 0b, 0 (octal), decimal, a U suffix; 0f and 0d followed by the bits in hexadecimal.
void Lexer::number() {
  kind = Token::integer;
  value = 0;
  unsigned base = 10;
  if (text[at] == '0' && at + 1 < text.size()) {
    const char mark = static_cast<char>(std::tolower(static_cast<unsigned char>(text[at + 1])));
    base = mark == 'x' || mark == 'f' || mark == 'd' ? 16 : mark == 'b' ? 2 : 8;
    if (mark == 'f' || mark == 'd')
      kind = mark == 'f' ? Token::float32 : Token::float64;
    at += base == 8 ? 1 : 2;
  }
  const size_t digits = at;
  for (; at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])); ++at) {
    const char c = text[at];
    const unsigned digit = std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : std::tolower(c) - 'a' + 10;
    if (digit >= base)
      fail(fmt::format("`{}` is no digit of base {}", c, base));
    value = value * base + digit;
  }
  if (kind != Token::integer && at - digits != (kind == Token::float32 ? 8u : 16u))
    fail("expected 8 digits after `0f` and 16 after `0d`");
  if (kind == Token::integer && at < text.size() && text[at] == 'U')
    ++at;
}

void Lexer::advance() {
  skipBlanks();
  line = lineAt;
  start = at;
  if (at >= text.size()) {
    kind = Token::end;
    spelling = {};
    return;
  }
  const char c = text[at];
  auto wordFollows = [&](size_t from) { return from < text.size() && (isWord(text[from]) || text[from] == '%'); };
  if (isWordStart(c)) {
    kind = Token::word;
    ++at;
    while (at < text.size()) { // dots and double colons belong to the word where a word goes on
      if (isWord(text[at]))
        ++at;
      else if (text[at] == '.' && wordFollows(at + 1))
        ++at;
      else if (text.substr(at, 2) == "::" && wordFollows(at + 2))
        at += 2;
      else
        break;
    }
  } else if (c == '.' && wordFollows(at + 1)) {
    kind = Token::directive;
    for (++at; at < text.size() && (isWord(text[at]) || text.substr(at, 2) == "::"); ++at)
      at += text[at] == ':';
  } else if (std::isdigit(static_cast<unsigned char>(c))) {
    number();
  } else if (c == '"') {
    kind = Token::string;
    const size_t close = std::min(text.find('"', at + 1), text.size());
    spelling = text.substr(at + 1, close - at - 1);
    at = std::min(close + 1, text.size());
    return;
  } else {
    kind = Token::punctuation;
    ++at;
  }
  spelling = text.substr(start, at - start);
}

bool Lexer::accept(std::string_view wanted) {
  if (!is(wanted))
    return false;
  advance();
  return true;
}

void Lexer::expect(std::string_view wanted) {
  if (!accept(wanted))
    fail(fmt::format("expected `{}`, got `{}`", wanted, spelling));
}

std::string_view Lexer::take(Token expected, const char *what) {
  if (kind != expected)
    fail(fmt::format("expected {}, got `{}`", what, spelling));
  const std::string_view taken = spelling;
  advance();
  return taken;
}

std::string_view Lexer::sourceLine() const {
  size_t first = start, last = std::min(text.find('\n', start), text.size());
  while (first > 0 && text[first - 1] != '\n')
    --first;
  while (first < last && std::isspace(static_cast<unsigned char>(text[first])))
    ++first;
  last = std::min(std::min(text.find("//", first), last), last);
  while (last > first && std::isspace(static_cast<unsigned char>(text[last - 1])))
    --last;
  return text.substr(first, last - first);
}

} // namespace kv::ptx
