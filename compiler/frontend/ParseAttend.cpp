// `attend NAME(q: TYPE[lo..hi], array: f32[Hq]) on CACHE -> (o: TYPE, lse: f32) { mask scale score accuracy }`.
#include "compiler/frontend/ParserImpl.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace kv {

static const StringRef floatTypes[] = {"f32", "f16", "bf16"};
static const StringRef otherTypes[] = {"f16", "bf16", "f64", "f8e4m3", "f8e5m2", "i64", "i32",
                                       "i16", "i8",   "u32", "u16",    "u8",     "bool"};

void Parser::parseAttend() {
  auto attend = std::make_unique<AttendSyntax>();
  refused = false;
  advance();
  attend->headless = !parseAttendSignature(*attend);
  bool good = !attend->headless;
  if (attend->headless)
    skipTo({"{"});
  if (token.is("{"))
    good &= parseBlock("an attend", attendClauses, [&] { return parseAttendClause(*attend); });
  attend->partial = !good || refused;
  if (attend->name)
    file.attends.push_back(std::move(attend));
  else
    file.broken = true;
}

bool Parser::parseFloatType(Word &type, StringRef what) {
  if (token.isName("f8e4m3") || token.isName("f8e5m2")) {
    unsupported(DiagKind::unsupported_f8, {token.text.str()});
    type = takeAs("f16");
    return true;
  }
  if (token.kind != TokenKind::name || !is_contained(floatTypes, token.text))
    return unknownWord(token, what, floatTypes);
  type = takeWord();
  return true;
}

bool Parser::parseAttendSignature(AttendSyntax &attend) {
  auto keyword = [&](StringRef name) {
    if (token.isName(name)) {
      advance();
      return true;
    }
    expected(quoted(name));
    return false;
  };
  if (!expectName(attend.name, "the name of an attend") || !expect("(") || !keyword("q") || !expect(":") ||
      !parseFloatType(attend.queryType, "query type") || !expect("[") || !(attend.least = parseExpr()))
    return false;
  bool isRange = consume("..");
  if ((isRange && !(attend.most = parseExpr())) || !expect("]"))
    return false;
  attend.rangeOfQueries = SMRange(attend.least->range.Start, (isRange ? attend.most : attend.least)->range.End);
  while (consume(","))
    if (!parseArray(attend))
      return false;
  if (!expect(")") || !keyword("on") || !expectName(attend.cache, "the name of a cache") || !expect("->") || !expect("(") ||
      !keyword("o") || !expect(":") || !parseFloatType(attend.outputType, "output type"))
    return false;
  if (consume(",")) {
    attend.lse = {token.text, token.range()};
    if (!keyword("lse") || !expect(":") || !expectName(attend.lseType, "the type of `lse`"))
      return false;
    if (attend.lseType.text != "f32") {
      diagnostics.error(DiagKind::lse_type, attend.lseType.range, {attend.lseType.text.take_front(40).str()});
      return false;
    }
  }
  return expect(")");
}

// slope: f32[Hq]
bool Parser::parseArray(AttendSyntax &attend) {
  ArraySyntax array;
  if (!expectName(array.name, "the name of an array") || !expect(":"))
    return false;
  bool otherType = token.kind == TokenKind::name && is_contained(otherTypes, token.text);
  if (otherType)
    unsupported(DiagKind::unsupported_array_type, {token.text.str()});
  else if (!token.isName("f32"))
    return unknownWord(token, "array type", {"f32"});
  array.type = takeAs("f32");
  if (!expect("[") || !(array.extent = parseExpr()))
    return false;
  if (token.is(",")) {
    if (!otherType)
      unsupported(DiagKind::unsupported_array_shape);
    while (consume(","))
      if (!parseExpr())
        return false;
    otherType = true;
  }
  if (otherType)
    array.extent = nullptr; // of letters that this compiler does not know
  if (!expect("]"))
    return false;
  attend.arrays.push_back(std::move(array));
  return true;
}

bool Parser::parseAttendClause(AttendSyntax &attend) {
  if (token.isName("select"))
    return unsupported(DiagKind::unsupported_select);
  Word word = takeWord();
  auto expression = [&](Word &first, ExprPtr &expr) {
    if (!once(first, word, quoted(word.text)))
      return false;
    first = word;
    expr = parseExpr();
    return expr != nullptr;
  };
  if (word.text == "mask")
    return expression(attend.maskWord, attend.mask);
  if (word.text == "scale")
    return expression(attend.scaleWord, attend.scale);
  if (word.text == "score")
    return expression(attend.scoreWord, attend.score);
  if (word.text == "sinks") {
    if (!once(attend.sinksWord, word, quoted(word.text)))
      return false;
    attend.sinksWord = word;
    return expectName(attend.sinks, "the name of an array");
  }
  static const StringRef classes[] = {"exact", "high", "fast"};
  if (!once(attend.accuracy, word, "`accuracy`"))
    return false;
  if (token.kind != TokenKind::name || !is_contained(classes, token.text))
    return unknownWord(token, "accuracy", classes);
  attend.accuracy = takeWord();
  return true;
}

} // namespace kv
