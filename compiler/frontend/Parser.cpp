// Declarations, tokens and recovery of the parser.
#include "compiler/frontend/Parser.h"

#include "compiler/frontend/ParserImpl.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace kv {

//===- tokens ----------------------------------------------------------------------------------------------------------------===//

void Parser::advance() {
  lastEnd = token.range().End;
  if (peeked) {
    token = *peeked;
    peeked.reset();
  } else {
    token = lexer.next();
  }
}

const Token &Parser::peek() {
  if (!peeked)
    peeked = lexer.next();
  return *peeked;
}

bool Parser::consume(StringRef symbol) {
  if (!token.is(symbol))
    return false;
  advance();
  return true;
}

Diagnostic &Parser::expected(StringRef what) {
  return diagnostics.error(DiagKind::expected_token, here(), {what.str(), token.describe()});
}

SMRange Parser::here() const {
  return token.kind == TokenKind::end && lastEnd.isValid() ? SMRange(lastEnd, lastEnd) : token.range();
}

bool Parser::expect(StringRef symbol) {
  if (consume(symbol))
    return true;
  expected(quoted(symbol));
  return false;
}

Word Parser::takeWord() {
  Word word{token.text, token.range()};
  advance();
  return word;
}

bool Parser::expectName(Word &word, StringRef what) {
  if (token.kind != TokenKind::name) {
    expected(what);
    return false;
  }
  word = takeWord();
  return true;
}

bool Parser::unknownWord(const Token &word, StringRef what, ArrayRef<StringRef> known) {
  if (word.kind != TokenKind::name) {
    expected(what);
    return false;
  }
  std::string list;
  for (StringRef name : known)
    list += (list.empty() ? "`" : name == known.back() ? " or `" : ", `") + name.str() + "`";
  diagnostics.error(DiagKind::unknown_word, word.range(), {word.text.take_front(40).str(), what.str(), list})
      .hint(didYouMean(word.text, known));
  return false;
}

Word Parser::takeAs(StringRef standIn) {
  Word word = takeWord();
  word.text = standIn;
  return word;
}

bool Parser::unsupported(DiagKind kind, ArrayRef<std::string> args) {
  refused = true;
  diagnostics.error(kind, token.range(), args);
  return false;
}

bool Parser::once(const Word &first, const Word &word, StringRef what) {
  if (!first)
    return true;
  diagnostics.error(DiagKind::duplicate_clause, word.range, {what.str()}).note(first.range, "first given here");
  return false;
}

//===- recovery --------------------------------------------------------------------------------------------------------------===//

bool Parser::atDeclaration() const {
  return token.startsLine && (token.isName("cache") || token.isName("attend") || token.isName("schedule"));
}

/// Whether one of the clauses starts here, on whatever line. `k`, `v` and `select` mean something inside of clauses too.
bool Parser::atClause(ArrayRef<StringRef> clauses) {
  if (token.kind != TokenKind::name || !is_contained(clauses, token.text))
    return false;
  if (token.text == "k" || token.text == "v")
    return peek().is(":") || peek().is(",") || peek().is("{");
  return token.text != "select" || !peek().is("(");
}

/// Skips the rest of a clause: up to `;`, `}`, another clause or a line that starts with a name.
void Parser::skipToClause(ArrayRef<StringRef> clauses) {
  unsigned braces = 0; // parentheses do not count: the one that is missing must not swallow what follows
  while (token.kind != TokenKind::end && !atDeclaration()) {
    bool startsClause = (token.startsLine && token.kind == TokenKind::name) || atClause(clauses);
    if (braces == 0 && (token.is(";") || token.is("}") || startsClause))
      return;
    braces += token.is("{");
    braces -= braces > 0 && token.is("}");
    advance();
  }
}

void Parser::skipToDeclaration() {
  while (token.kind != TokenKind::end && !atDeclaration())
    advance();
}

/// Skips to one of `symbols` outside of brackets opened on the way, to `}` or to a declaration.
void Parser::skipTo(ArrayRef<StringRef> symbols) {
  unsigned depth = 0;
  while (token.kind != TokenKind::end && !atDeclaration()) {
    if (depth == 0 && token.kind == TokenKind::symbol && (token.is("}") || is_contained(symbols, token.text)))
      return;
    if (token.is("(") || token.is("["))
      ++depth;
    if (depth > 0 && (token.is(")") || token.is("]")))
      --depth;
    advance();
  }
}

bool Parser::parseBlock(StringRef owner, ArrayRef<StringRef> clauses, function_ref<bool()> parseClause) {
  SMRange open = token.range();
  if (!expect("{"))
    return false;
  bool good = true;
  while (!consume("}")) {
    if (consume(";"))
      continue;
    if (token.kind == TokenKind::end || atDeclaration()) {
      diagnostics.error(DiagKind::unclosed_bracket, here(), {"}", token.describe()}).note(open, "`{` opened here");
      return false;
    }
    const char *before = token.text.begin();
    bool clauseGood = false;
    if (token.kind != TokenKind::name)
      expected("a clause or `}`");
    else if (!is_contained(clauses, token.text))
      diagnostics.error(DiagKind::unknown_clause, token.range(), {token.text.take_front(40).str(), owner.str()})
          .hint(didYouMean(token.text, clauses));
    else
      clauseGood = parseClause();
    if (clauseGood)
      continue;
    good = false;
    if (token.text.begin() == before && token.kind != TokenKind::end)
      advance();
    skipToClause(clauses);
  }
  return good;
}

//===- declarations ----------------------------------------------------------------------------------------------------------===//

void Parser::parseFile() {
  while (token.kind != TokenKind::end) {
    bool isSchedule = token.isName("schedule");
    if (scheduleFile && !isSchedule) {
      file.broken = true;
      diagnostics.error(DiagKind::not_a_schedule, token.range(), {token.text.take_front(40).str()});
      advance();
      skipToDeclaration();
    } else if (token.isName("cache")) {
      parseCache();
    } else if (token.isName("attend")) {
      parseAttend();
    } else if (isSchedule) {
      parseSchedule();
    } else {
      file.broken = true;
      static const StringRef known[] = {"cache", "attend", "schedule"};
      diagnostics.error(DiagKind::expected_declaration, token.range(), {token.describe()})
          .hint(token.kind == TokenKind::name ? didYouMean(token.text, known) : "");
      advance();
      skipToDeclaration();
    }
  }
}

// schedule NAME for TARGET { block 64; dot NAME }
void Parser::parseSchedule() {
  auto schedule = std::make_unique<ScheduleSyntax>();
  advance();
  bool good = expectName(schedule->attend, "the name of an attend");
  if (good && !token.isName("for")) {
    expected("`for`");
    good = false;
  }
  if (good) {
    Token target = lexer.relexTarget(peek());
    peeked.reset();
    token = target; // in the place of `for`
    if (token.text.empty()) {
      advance();
      expected("the name of a target");
      good = false;
    } else {
      schedule->target = takeWord();
    }
  }
  if (!good)
    skipTo({"{"});
  good &= parseBlock("a schedule", scheduleClauses, [&] { return parseScheduleEntry(*schedule); });
  schedule->broken = !good;
  file.schedules.push_back(std::move(schedule));
}

bool Parser::parseScheduleEntry(ScheduleSyntax &schedule) {
  ScheduleSyntax::Entry entry;
  entry.key = takeWord();
  for (const ScheduleSyntax::Entry &other : schedule.entries)
    if (other.key.text == entry.key.text && !once(other.key, entry.key, quoted(entry.key.text)))
      return false;
  if (entry.key.text == "dot" || entry.key.text == "masks") {
    if (!expectName(entry.word, entry.key.text == "dot" ? "the name of a dot instruction" : "`always` or `classes`"))
      return false;
  } else if (!(entry.value = parseExpr())) {
    return false;
  }
  schedule.entries.push_back(std::move(entry));
  return true;
}

std::unique_ptr<FileSyntax> parseSyntax(const SourceMgr &sources, Diagnostics &diagnostics) {
  auto file = std::make_unique<FileSyntax>();
  for (unsigned i = 0; i < sources.getNumBuffers(); ++i) {
    StringRef text = sources.getMemoryBuffer(i + 1)->getBuffer();
    text.consume_front("\xef\xbb\xbf"); // a byte order mark
    Parser(text, i > 0, *file, diagnostics).parseFile();
  }
  if (file->caches.empty() && !file->broken && !diagnostics.hasErrors()) {
    const char *start = sources.getNumBuffers() ? sources.getMemoryBuffer(1)->getBufferStart() : nullptr;
    diagnostics.error(DiagKind::empty_file, SMRange(SMLoc::getFromPointer(start), SMLoc::getFromPointer(start)));
    file->broken = true;
  }
  return file;
}

} // namespace kv
