// Tokens.
#include "Helpers.h"

#include "compiler/frontend/Lexer.h"
#include "gtest/gtest.h"

namespace {

std::string tokensOf(llvm::StringRef text) {
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "test.kv"), llvm::SMLoc());
  kv::Diagnostics diagnostics(sources);
  kv::Lexer lexer(sources.getMemoryBuffer(1)->getBuffer(), diagnostics);
  std::string result;
  for (kv::Token token = lexer.next(); token.kind != kv::TokenKind::end; token = lexer.next())
    result += (result.empty() ? "" : " ") + std::string(token.startsLine ? "^" : "") + token.text.str();
  for (const kv::Diagnostic *diagnostic : diagnostics.sorted())
    result += " !" + kv::diagKindName(diagnostic->kind).str();
  return result;
}

TEST(Lexer, RangesAreNotNumbers) { EXPECT_EQ(tokensOf("f16[1..8]"), "^f16 [ 1 .. 8 ]"); }

TEST(Lexer, NumbersAndExponents) { EXPECT_EQ(tokensOf("0.5 5e5 1e-3 007 1.5e+2"), "^0.5 5e5 1e-3 007 1.5e+2"); }

TEST(Lexer, LongestOperatorWins) { EXPECT_EQ(tokensOf("a**b<=c->d&&!e||f++g"), "^a ** b <= c -> d && ! e || f ++ g"); }

TEST(Lexer, CommentsEndWithTheLine) { EXPECT_EQ(tokensOf("a // b\nc //"), "^a ^c"); }

TEST(Lexer, CarriageReturnsAreSpace) { EXPECT_EQ(tokensOf("a\r\nb\r\n"), "^a ^b"); }

TEST(Lexer, NulBytesAreReported) { EXPECT_EQ(tokensOf(llvm::StringRef("a\0b", 3)), "^a b !unexpected_character"); }

TEST(Lexer, AWordOfManyBytesIsReportedOnce) { EXPECT_EQ(tokensOf("a \xc3\xa9 b"), "^a b !unexpected_character"); }

TEST(Lexer, EmptyText) { EXPECT_EQ(tokensOf(""), ""); }

TEST(Lexer, IntegersAtTheEdge) {
  EXPECT_EQ(tokensOf("9223372036854775807"), "^9223372036854775807");
  EXPECT_EQ(tokensOf("9223372036854775808"), "^9223372036854775808 !integer_overflow");
}

} // namespace
