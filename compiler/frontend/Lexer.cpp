// The lexer. The buffer may hold anything, NUL bytes included: it never reads past `finish`.
#include "compiler/frontend/Lexer.h"

#include "llvm/ADT/StringExtras.h"

#include <charconv>
#include <cmath>

using namespace llvm;

namespace kv {

static bool isNameStart(char c) { return isAlpha(c) || c == '_'; }
static bool isNameBody(char c) { return isAlnum(c) || c == '_'; }

Token Lexer::make(TokenKind kind, const char *from) {
  Token token;
  token.kind = kind;
  token.text = StringRef(from, current - from);
  return token;
}

/// Skips white space and comments; true when a line ended or the file starts here.
bool Lexer::skipSpace() {
  bool startsLine = current == start;
  while (current != finish) {
    if (isSpace(*current)) {
      startsLine |= *current++ == '\n';
    } else if (*current == '/' && finish - current > 1 && current[1] == '/') {
      while (current != finish && *current != '\n')
        ++current;
    } else {
      break;
    }
  }
  return startsLine;
}

Token Lexer::lexNumber(const char *from) {
  auto digits = [&] {
    while (current != finish && isDigit(*current))
      ++current;
  };
  auto at = [&](size_t ahead) { return finish - current > ptrdiff_t(ahead) ? current[ahead] : '\0'; };
  bool isInteger = true;
  digits();
  if (at(0) == '.' && isDigit(at(1))) { // not the `..` of a range
    isInteger = false;
    ++current;
    digits();
  }
  if ((at(0) == 'e' || at(0) == 'E') && (isDigit(at(1)) || ((at(1) == '-' || at(1) == '+') && isDigit(at(2))))) {
    isInteger = false;
    current += 2;
    digits();
  }
  if (current != finish && isNameBody(*current)) {
    while (current != finish && isNameBody(*current))
      ++current;
    Token token = make(TokenKind::integer, from);
    token.integer = 1;
    token.number = 1;
    diagnostics.error(DiagKind::malformed_number, token.range(), {token.text.take_front(40).str()});
    return token;
  }
  Token token = make(isInteger ? TokenKind::integer : TokenKind::number, from);
  std::from_chars_result result = std::from_chars(from, current, token.number);
  if (isInteger && token.text.getAsInteger(10, token.integer)) {
    diagnostics.error(DiagKind::integer_overflow, token.range(), {token.text.take_front(40).str()});
    token.integer = 1;
  } else if (!isInteger && (result.ec != std::errc() || !std::isfinite(token.number))) {
    diagnostics.error(DiagKind::number_overflow, token.range(), {token.text.take_front(40).str()});
    token.number = 1;
  }
  return token;
}

Token Lexer::next() {
  while (true) {
    bool startsLine = skipSpace();
    const char *from = current;
    Token token;
    if (current == finish) {
      token = make(TokenKind::end, from);
    } else if (isNameStart(*current)) {
      while (current != finish && isNameBody(*current))
        ++current;
      token = make(TokenKind::name, from);
    } else if (isDigit(*current)) {
      token = lexNumber(from);
    } else if (*current == '"') {
      ++current;
      while (current != finish && *current != '"' && *current != '\n')
        ++current;
      bool closed = current != finish && *current == '"';
      current += closed;
      token = make(TokenKind::string, from);
      if (!closed)
        diagnostics.error(DiagKind::unterminated_string, token.range());
    } else {
      static const StringRef symbols[] = {"..", "->", "**", "<=", ">=", "==", "!=", "&&", "||", "++", "{", "}", "(", ")",
                                          "[",  "]",  ",",  ";",  ":",  "=",  "<",  ">",  "+",  "-",  "*", "/", "%", "!"};
      StringRef rest(current, finish - current);
      for (StringRef symbol : symbols)
        if (rest.starts_with(symbol)) {
          current += symbol.size();
          token = make(TokenKind::symbol, from);
          break;
        }
      if (token.text.empty()) { // a character of several bytes is reported once
        ++current;
        while (current != finish && (*current & 0xc0) == 0x80)
          ++current;
        token = make(TokenKind::symbol, from);
        diagnostics.error(DiagKind::unexpected_character, token.range(), {quoted(token.text)});
        continue;
      }
    }
    token.startsLine = startsLine;
    return token;
  }
}

Token Lexer::relexTarget(const Token &token) {
  current = token.text.begin();
  const char *from = current;
  while (current != finish && (isNameBody(*current) || *current == '-' || *current == '+' || *current == '.'))
    ++current;
  Token result = make(TokenKind::name, from);
  result.startsLine = token.startsLine;
  return result;
}

} // namespace kv
