// Lexer.h: PTX text into tokens (PTX ISA 4, Syntax).
#ifndef KV_TESTS_PTX_LEXER_H
#define KV_TESTS_PTX_LEXER_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kv::ptx {

/// A mistake in the text: `line` counts from 1.
struct TextError : std::runtime_error {
  TextError(unsigned line, const std::string &message);
};

enum class Token : uint8_t { end, word, directive, integer, float32, float64, string, punctuation };

/// One token at a time, with one token of lookahead. A word may hold dots: `ld.global.v4.b32`, `%tid.x`.
class Lexer {
public:
  explicit Lexer(std::string_view text) : text(text) { advance(); }

  Token kind = Token::end;
  std::string_view spelling; // without the quotes of a string
  uint64_t value = 0;        // of an integer; the bits of a float32 or float64
  unsigned line = 1;         // of the token

  void advance();
  bool is(std::string_view punctuationOrWord) const {
    return kind != Token::string && kind != Token::end && spelling == punctuationOrWord;
  }
  bool accept(std::string_view punctuationOrWord);
  void expect(std::string_view punctuationOrWord);
  /// The token's text, which has to be of `kind`; moves on.
  std::string_view take(Token expected, const char *what);
  [[noreturn]] void fail(const std::string &message) const;

  /// The whole source line that the token stands in, without the blanks around it.
  std::string_view sourceLine() const;

private:
  void skipBlanks();
  void number();

  std::string_view text;
  size_t at = 0, start = 0;
  unsigned lineAt = 1;
};

} // namespace kv::ptx
#endif
