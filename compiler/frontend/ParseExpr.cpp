// Expressions, loosest first: `||`, `&&`, comparisons (which do not chain), `+ -`, `* /`, unary `- !`, `**` (to the right).
#include "compiler/frontend/ParserImpl.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace kv {

/// Levels of an expression: bounds the recursion here and in every later walk.
static constexpr unsigned maxDepth = 200;

static constexpr unsigned comparison = 3;

static unsigned precedence(const Token &token) {
  if (token.kind != TokenKind::symbol)
    return 0;
  return StringSwitch<unsigned>(token.text)
      .Case("||", 1)
      .Case("&&", 2)
      .Cases({"<", "<=", ">", ">=", "==", "!="}, comparison)
      .Cases({"+", "-"}, 4)
      .Cases({"*", "/"}, 5)
      .Default(0);
}

bool Parser::enter() {
  if (nesting < maxDepth)
    return true;
  diagnostics.error(DiagKind::expression_too_deep, token.range(), {std::to_string(maxDepth)});
  return false;
}

ExprPtr Parser::makeExpr(ExprKind kind, const Word &word, SMRange range, MutableArrayRef<ExprPtr> operands) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->word = word;
  expr->range = range;
  for (ExprPtr &operand : operands) {
    expr->depth = std::max(expr->depth, operand->depth + 1);
    expr->operands.push_back(std::move(operand));
  }
  if (expr->depth <= maxDepth)
    return expr;
  diagnostics.error(DiagKind::expression_too_deep, word.range, {std::to_string(maxDepth)});
  return nullptr;
}

ExprPtr Parser::parseBinary(unsigned least) {
  ExprPtr left = parseUnary();
  while (left) {
    unsigned level = precedence(token);
    if (level == 0 || level <= least)
      break;
    Word op = takeWord();
    ExprPtr right = parseBinary(level);
    if (!right)
      return nullptr;
    SMRange range(left->range.Start, right->range.End);
    ExprPtr operands[] = {std::move(left), std::move(right)};
    left = makeExpr(ExprKind::binary, op, range, operands);
    if (left && level == comparison && precedence(token) == comparison) {
      diagnostics.error(DiagKind::chained_comparison, token.range());
      return nullptr;
    }
  }
  return left;
}

ExprPtr Parser::parseUnary() {
  if (!token.is("-") && !token.is("!"))
    return parsePower();
  if (!enter())
    return nullptr;
  Word op = takeWord();
  ++nesting;
  ExprPtr operand = parseUnary();
  --nesting;
  if (!operand)
    return nullptr;
  SMRange range(op.range.Start, operand->range.End);
  return makeExpr(ExprKind::unary, op, range, operand);
}

ExprPtr Parser::parsePower() {
  ExprPtr base = parsePrimary();
  if (!base || !token.is("**"))
    return base;
  if (!enter())
    return nullptr;
  Word op = takeWord();
  ++nesting;
  ExprPtr exponent = parseUnary(); // `-x ** 2` is `-(x ** 2)`, `2 ** -1` is allowed
  --nesting;
  if (!exponent)
    return nullptr;
  SMRange range(base->range.Start, exponent->range.End);
  ExprPtr operands[] = {std::move(base), std::move(exponent)};
  return makeExpr(ExprKind::binary, op, range, operands);
}

ExprPtr Parser::parsePrimary() {
  if (token.kind == TokenKind::integer || token.kind == TokenKind::number) {
    ExprPtr expr = makeExpr(token.kind == TokenKind::integer ? ExprKind::integer : ExprKind::number, {token.text, token.range()},
                            token.range(), {});
    expr->integer = token.integer;
    expr->number = token.number;
    advance();
    return expr;
  }
  // A clause on the next line means that the expression is missing.
  bool isClause = token.startsLine && (atClause(attendClauses) || atClause(cacheClauses) || atClause(scheduleClauses));
  if (token.kind == TokenKind::name && !isClause)
    return parseNamed();
  if (!token.is("(")) {
    expected("an expression");
    return nullptr;
  }
  if (!enter())
    return nullptr;
  SMRange open = token.range();
  advance();
  ++nesting;
  ExprPtr inner = parseExpr();
  --nesting;
  if (!inner)
    return nullptr;
  if (!token.is(")")) {
    expected("`)`").note(open, "`(` opened here");
    return nullptr;
  }
  inner->range = SMRange(open.Start, token.range().End);
  advance();
  return inner;
}

/// A name, a call `f(a, b)`, an element `a[h]`, `true` or `false`.
ExprPtr Parser::parseNamed() {
  Word name = takeWord();
  if (name.text == "true" || name.text == "false") {
    ExprPtr expr = makeExpr(ExprKind::boolean, name, name.range, {});
    expr->boolean = name.text == "true";
    return expr;
  }
  bool isCall = token.is("(");
  if (!isCall && !token.is("["))
    return makeExpr(ExprKind::name, name, name.range, {});
  StringRef close = isCall ? ")" : "]";
  if (!enter())
    return nullptr;
  SMRange open = token.range();
  advance();
  ++nesting;
  SmallVector<ExprPtr> operands;
  if (!token.is(close)) {
    do {
      operands.push_back(parseExpr());
    } while (operands.back() && consume(","));
  }
  --nesting;
  if (!operands.empty() && !operands.back())
    return nullptr;
  if (!token.is(close)) {
    expected(quoted(close)).note(open, quoted(isCall ? "(" : "[") + " opened here");
    return nullptr;
  }
  SMRange range(name.range.Start, token.range().End);
  advance();
  return makeExpr(isCall ? ExprKind::call : ExprKind::index, name, range, operands);
}

} // namespace kv
