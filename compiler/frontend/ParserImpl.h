// The parser's class. Its members stand in Parser.cpp (declarations, recovery), ParseCache.cpp, ParseAttend.cpp, ParseExpr.cpp.
//
// Conventions: a `parse` function that returns bool says whether it went well; on false it has reported why and the caller
// recovers. A null ExprPtr means the same.
#ifndef KV_FRONTEND_PARSERIMPL_H
#define KV_FRONTEND_PARSERIMPL_H

#include "compiler/frontend/Ast.h"
#include "compiler/frontend/Lexer.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace kv {

// The words that begin a clause of each declaration, those that are refused among them.
inline constexpr llvm::StringRef cacheClauses[] = {"k", "v", "layout", "keep", "rope", "stream", "view"};
inline constexpr llvm::StringRef attendClauses[] = {"mask", "score", "scale", "accuracy", "sinks", "select"};
inline constexpr llvm::StringRef scheduleClauses[] = {"block", "split", "unroll", "dot", "prefetch", "heads", "masks"};

class Parser {
public:
  Parser(llvm::StringRef buffer, bool scheduleFile, FileSyntax &file, Diagnostics &diagnostics)
      : lexer(buffer, diagnostics), scheduleFile(scheduleFile), file(file), diagnostics(diagnostics) {
    token = lexer.next();
  }

  void parseFile();

private:
  // Tokens
  void advance();
  const Token &peek();
  bool consume(llvm::StringRef symbol);
  bool expect(llvm::StringRef symbol);
  bool expectName(Word &word, llvm::StringRef what);
  Word takeWord();
  Diagnostic &expected(llvm::StringRef what);
  /// The range of the token; at the end of the file, the place after the last one.
  llvm::SMRange here() const;
  bool unknownWord(const Token &word, llvm::StringRef what, llvm::ArrayRef<llvm::StringRef> known);
  /// Refuses what the language has and this compiler has not. False; but a caller that can read on does, with a stand-in.
  bool unsupported(DiagKind kind, llvm::ArrayRef<std::string> args = {});
  /// Takes the token as if it were the word `standIn`.
  Word takeAs(llvm::StringRef standIn);
  /// Reports a second `word`; false when `first` is set.
  bool once(const Word &first, const Word &word, llvm::StringRef what);

  // Recovery
  bool atDeclaration() const;
  void skipToClause(llvm::ArrayRef<llvm::StringRef> clauses);
  bool atClause(llvm::ArrayRef<llvm::StringRef> clauses);
  void skipToDeclaration();
  void skipTo(llvm::ArrayRef<llvm::StringRef> symbols);
  /// `{ clause ; clause }`; false when a clause was wrong.
  bool parseBlock(llvm::StringRef owner, llvm::ArrayRef<llvm::StringRef> clauses, llvm::function_ref<bool()> parseClause);

  // Caches
  void parseCache();
  bool parseParameters(CacheSyntax &cache);
  bool parseCacheClause(CacheSyntax &cache);
  bool parseStreams(CacheSyntax &cache);
  bool parseTiers(llvm::StringRef streams);
  bool parseCodec(CodecSyntax &codec);
  bool parseCodecOption(CodecSyntax &codec);
  bool parseCodecType(CodecSyntax &codec);
  bool parseGroup(CodecSyntax &codec);
  bool parseLayout(LayoutSyntax &layout);
  bool atOrder();
  bool parseOrder(OrderSyntax &order);
  bool parseDigit(DigitSyntax &digit);
  bool parseKeep();

  // Attends and schedules
  void parseAttend();
  bool parseAttendSignature(AttendSyntax &attend);
  bool parseArray(AttendSyntax &attend);
  bool parseFloatType(Word &type, llvm::StringRef what);
  bool parseAttendClause(AttendSyntax &attend);
  void parseSchedule();
  bool parseScheduleEntry(ScheduleSyntax &schedule);

  // Expressions
  ExprPtr parseExpr() { return parseBinary(0); }
  ExprPtr parseBinary(unsigned least);
  ExprPtr parseUnary();
  ExprPtr parsePower();
  ExprPtr parsePrimary();
  ExprPtr parseNamed();
  ExprPtr makeExpr(ExprKind kind, const Word &word, llvm::SMRange range, llvm::MutableArrayRef<ExprPtr> operands);
  bool enter();

  Lexer lexer;
  Token token;
  std::optional<Token> peeked;
  llvm::SMLoc lastEnd; ///< end of the token before `token`
  bool scheduleFile;
  bool refused = false; ///< something in this declaration is not supported
  Word keepWord;
  unsigned nesting = 0;
  FileSyntax &file;
  Diagnostics &diagnostics;
};

} // namespace kv

#endif
