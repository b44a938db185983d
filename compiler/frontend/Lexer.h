// Text of a `.kv` file to tokens. Comments run from `//` to the end of the line; white space separates and means nothing else.
#ifndef KV_FRONTEND_LEXER_H
#define KV_FRONTEND_LEXER_H

#include "compiler/frontend/Diagnostics.h"

namespace kv {

enum class TokenKind { end, name, integer, number, string, symbol };

struct Token {
  TokenKind kind = TokenKind::end;
  llvm::StringRef text; ///< as in the source
  int64_t integer = 0;  ///< of an integer; a malformed one has been reported and is 1
  double number = 0;    ///< of a number or an integer
  bool startsLine = false;

  bool is(llvm::StringRef symbol) const { return kind == TokenKind::symbol && text == symbol; }
  bool isName(llvm::StringRef name) const { return kind == TokenKind::name && text == name; }
  llvm::SMRange range() const { return {llvm::SMLoc::getFromPointer(text.begin()), llvm::SMLoc::getFromPointer(text.end())}; }
  /// How an error names it: the text in backticks, or `end of file`.
  std::string describe() const { return kind == TokenKind::end ? "end of file" : quoted(text); }
};

class Lexer {
public:
  Lexer(llvm::StringRef buffer, Diagnostics &diagnostics)
      : current(buffer.begin()), start(buffer.begin()), finish(buffer.end()), diagnostics(diagnostics) {}

  Token next();
  /// Reads a target's name, which may hold `-` and `+`, from where `token` starts.
  Token relexTarget(const Token &token);

private:
  Token make(TokenKind kind, const char *from);
  Token lexNumber(const char *from);
  bool skipSpace();

  const char *current, *start, *finish;
  Diagnostics &diagnostics;
};

} // namespace kv

#endif
