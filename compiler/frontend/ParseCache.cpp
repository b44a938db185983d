// `cache NAME(parameters) { codecs layout keep }`. What the language has and this compiler has not is refused here, by name.
#include "compiler/frontend/ParserImpl.h"

#include "dialect/KvAttrs.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace kv {

static const StringRef codecOptions[] = {"group", "sym", "asym", "scale"};

void Parser::parseCache() {
  auto cache = std::make_unique<CacheSyntax>();
  keepWord = {};
  refused = false;
  advance();
  cache->headless = !expectName(cache->name, "the name of a cache") || !parseParameters(*cache);
  if (cache->headless)
    skipTo({"{"});
  bool good = parseBlock("a cache", cacheClauses, [&] { return parseCacheClause(*cache); });
  cache->partial = !good || refused;
  if (cache->name)
    file.caches.push_back(std::move(cache));
  else
    file.broken = true;
}

bool Parser::parseParameters(CacheSyntax &cache) {
  if (!expect("("))
    return false;
  if (consume(")"))
    return true;
  do {
    ParameterSyntax parameter;
    if (!expectName(parameter.name, "the name of a parameter") || !expect("=") || !(parameter.value = parseExpr()))
      return false;
    cache.parameters.push_back(std::move(parameter));
  } while (consume(","));
  return expect(")");
}

bool Parser::parseCacheClause(CacheSyntax &cache) {
  if (token.isName("k") || token.isName("v"))
    return parseStreams(cache);
  if (token.isName("rope"))
    return unsupported(DiagKind::unsupported_rope);
  if (token.isName("stream"))
    return unsupported(DiagKind::unsupported_stream);
  if (token.isName("view"))
    return unsupported(DiagKind::unsupported_view);
  Word word = takeWord();
  if (word.text == "keep") {
    bool first = once(keepWord, word, "`keep`");
    keepWord = word;
    return first && parseKeep();
  }
  return once(cache.layout.kind, word, "`layout`") && parseLayout(cache.layout);
}

//===- codecs ----------------------------------------------------------------------------------------------------------------===//

// k, v: CODEC   k: CODEC   v: CODEC
bool Parser::parseStreams(CacheSyntax &cache) {
  Word first = takeWord(), second;
  if (consume(",")) {
    StringRef other = first.text == "k" ? "v" : "k";
    if (!token.isName(other)) {
      expected(quoted(other));
      return false;
    }
    second = takeWord();
  }
  if (token.is("{"))
    return parseTiers(second ? "k, v" : first.text);
  CodecSyntax codec;
  bool isKey = first.text == "k", both = bool(second);
  const CodecSyntax *earlier = isKey || both ? (cache.key ? &*cache.key : nullptr) : cache.valueCodec();
  if (both && !earlier)
    earlier = cache.valueCodec();
  if (earlier && !once(earlier->type, first, both ? "codec of `k` or `v`" : "codec of " + quoted(first.text)))
    return false;
  if (!expect(":") || !parseCodec(codec))
    return false;
  cache.sharedCodec |= both;
  (isKey || both ? cache.key : cache.value) = std::move(codec);
  return true;
}

// { last 1 flush 128: CODEC; layer 0 .. 4: CODEC; rest: CODEC }
bool Parser::parseTiers(StringRef streams) {
  DiagKind kind = StringSwitch<DiagKind>(peek().text)
                      .Cases({"last", "flush"}, DiagKind::unsupported_tier_age)
                      .Case("first", DiagKind::unsupported_tier_position)
                      .Case("layer", DiagKind::unsupported_tier_layer)
                      .Default(DiagKind::unsupported_tier);
  unsupported(kind, {streams.str()});
  advance();
  while (!consume("}")) {
    while (token.kind == TokenKind::name && !token.is(":")) { // `first N`, `last N flush M spare X`, `layer A .. B`, `rest`
      bool alone = token.isName("rest");
      advance();
      if (!alone && !token.is(":") && (!parseExpr() || (consume("..") && !parseExpr())))
        return false;
    }
    CodecSyntax codec;
    if (!expect(":") || !parseCodec(codec))
      return false;
    if (!token.is("}") && !expect(";"))
      return false;
  }
  return true;
}

bool Parser::parseCodecType(CodecSyntax &codec) {
  auto oneOf = [&](std::initializer_list<StringRef> names) {
    return token.kind == TokenKind::name && is_contained(names, token.text);
  };
  std::vector<std::string> name = {token.text.take_front(40).str()};
  std::optional<DiagKind> refusal;
  if (oneOf({"i3", "u3"}))
    refusal = DiagKind::unsupported_3bit;
  if (oneOf({"i2", "u2"}))
    refusal = DiagKind::unsupported_2bit;
  if (oneOf({"f8e5m2", "f8e8m0"}))
    refusal = DiagKind::unsupported_f8;
  if (oneOf({"f4e2m1"}))
    refusal = DiagKind::unsupported_f4;
  if (oneOf({"codebook"}))
    refusal = DiagKind::unsupported_codebook;
  if (refusal) {
    unsupported(*refusal, name);
    codec.type = takeAs("i8"); // takes every option
    if (*refusal != DiagKind::unsupported_codebook || !consume("("))
      return true;
    advance();
    consume(")");
    return true;
  }
  if (token.kind != TokenKind::name || !symbolizeElement(token.text))
    return unknownWord(token, "type", elementNames());
  codec.type = takeWord();
  return true;
}

bool Parser::parseCodec(CodecSyntax &codec) {
  if (!parseCodecType(codec))
    return false;
  bool isScalar = !isCode(*symbolizeElement(codec.type.text));
  while (token.kind == TokenKind::name) {
    if (token.text == "static") {
      unsupported(DiagKind::unsupported_static);
      advance();
      continue;
    }
    if (token.text == "rotate") {
      unsupported(DiagKind::unsupported_rotate);
      advance();
      if (token.isName("hadamard"))
        advance();
      if (consume("(") && (!parseExpr() || !expect(")")))
        return false;
      continue;
    }
    if (token.text == "zero") {
      unsupported(DiagKind::unsupported_zero);
      advance();
      if (token.kind == TokenKind::name && !token.startsLine)
        advance();
      continue;
    }
    if (!is_contained(codecOptions, token.text)) {
      if (token.startsLine || is_contained(cacheClauses, token.text))
        break;
      return unknownWord(token, "codec option", codecOptions);
    }
    if (codec.type.text == "f8e4m3" && token.text != "asym") {
      unsupported(DiagKind::unsupported_scaled_f8, {codec.type.text.str(), token.text.str()});
      codec.type.text = "i8"; // takes every option
      isScalar = false;
    }
    if (isScalar) {
      diagnostics.error(DiagKind::scalar_option, token.range(), {token.text.str(), codec.type.text.str()});
      return false;
    }
    if (!parseCodecOption(codec))
      return false;
  }
  codec.range = SMRange(codec.type.range.Start, lastEnd);
  return true;
}

bool Parser::parseCodecOption(CodecSyntax &codec) {
  Word option = takeWord();
  if (option.text == "group") {
    if (!once(codec.group, option, "`group`"))
      return false;
    codec.group = option;
    return parseGroup(codec);
  }
  if (option.text == "sym" || option.text == "asym") {
    if (!once(codec.zero, option, "`sym` or `asym`"))
      return false;
    codec.zero = option;
    return true;
  }
  if (!once(codec.scale, option, "`scale`"))
    return false;
  if (token.kind == TokenKind::name && is_contained({"bf16", "f8e4m3", "f8e5m2", "f8e8m0"}, token.text)) {
    unsupported(DiagKind::unsupported_scale_type, {token.text.str()});
    codec.scale = takeAs("f16");
    return true;
  }
  if (!token.isName("f32") && !token.isName("f16"))
    return unknownWord(token, "scale type", {"f32", "f16"});
  codec.scale = takeWord();
  return true;
}

// group(d:N)  group(d:*)
bool Parser::parseGroup(CodecSyntax &codec) {
  if (!expect("("))
    return false;
  bool first = true;
  do {
    if (token.isName("t") || token.isName("h")) {
      unsupported(token.isName("t") ? DiagKind::unsupported_group_t : DiagKind::unsupported_group_h);
      advance();
      if (!expect(":") || (!consume("*") && !parseExpr()))
        return false;
      continue;
    }
    if (!token.isName("d"))
      return unknownWord(token, "group coordinate", {"d", "t", "h"});
    Word letter = takeWord();
    if (!first && !once(codec.group, letter, "`d` of a group"))
      return false;
    first = false;
    if (!expect(":"))
      return false;
    if (!consume("*") && !(codec.groupSize = parseExpr()))
      return false;
  } while (consume(","));
  return expect(")");
}

//===- layout and keep -------------------------------------------------------------------------------------------------------===//

bool Parser::atOrder() {
  bool isStream = token.isName("k") || token.isName("v");
  return isStream ? peek().is("[") || peek().isName("auto") : token.is("[") || token.isName("auto");
}

// dense(N) | paged(P), maybe tile(T), then nothing, an order, or `k ORDER, v ORDER`
bool Parser::parseLayout(LayoutSyntax &layout) {
  bool isRing = token.isName("ring");
  if (isRing || token.isName("slots")) {
    unsupported(isRing ? DiagKind::unsupported_ring : DiagKind::unsupported_slots);
    layout.kind = takeAs("dense");
  } else if (!token.isName("dense") && !token.isName("paged")) {
    return unknownWord(token, "layout", {"dense", "paged"});
  } else {
    layout.kind = takeWord();
  }
  layout.broken = true; // until it is read
  if (!expect("(") || !(layout.slots = parseExpr()) || !expect(")"))
    return false;
  if (token.isName("tile")) {
    advance();
    if (!expect("(") || !(layout.tile = parseExpr()) || !expect(")"))
      return false;
  }
  if (atOrder() && (token.is("[") || token.isName("auto"))) {
    if (!parseOrder(layout.key.emplace()))
      return false;
  } else if (atOrder()) {
    layout.separate = true;
    do {
      if (!atOrder() || token.is("[") || token.isName("auto")) {
        expected("`k` or `v` with an order");
        return false;
      }
      Word stream = takeWord();
      std::optional<OrderSyntax> &order = stream.text == "k" ? layout.key : layout.value;
      if (order && !once({"order", order->range}, stream, "order of " + quoted(stream.text)))
        return false;
      if (!parseOrder(order.emplace()))
        return false;
    } while (consume(","));
  }
  if (token.isName("scales")) {
    unsupported(DiagKind::unsupported_scales);
    advance();
    if (token.isName("inline") || token.isName("separate"))
      advance();
  }
  layout.broken = false;
  return true;
}

bool Parser::parseOrder(OrderSyntax &order) {
  SMLoc start = token.range().Start;
  if (token.isName("auto")) {
    order.range = takeWord().range;
    return true;
  }
  if (!expect("["))
    return false;
  do {
    if (!parseDigit(order.digits.emplace_back()))
      return false;
  } while (consume(","));
  if (!expect("]"))
    return false;
  order.range = SMRange(start, lastEnd);
  return true;
}

// t   t/16   t%16   d/4%2
bool Parser::parseDigit(DigitSyntax &digit) {
  if (!token.isName("h") && !token.isName("t") && !token.isName("d"))
    return unknownWord(token, "coordinate", {"h", "t", "d"});
  digit.letter = takeWord();
  if (consume("/") && !(digit.divisor = parsePrimary()))
    return false;
  if (consume("%") && !(digit.extent = parsePrimary()))
    return false;
  digit.range = SMRange(digit.letter.range.Start, lastEnd);
  return true;
}

bool Parser::parseKeep() {
  if (token.isName("all")) {
    advance();
  } else {
    do { // first N, last N, top N by EXPR
      bool isTop = token.isName("top");
      if (!isTop && !token.isName("first") && !token.isName("last"))
        return unknownWord(token, "keep rule", {"all"});
      unsupported(isTop                   ? DiagKind::unsupported_keep_top
                  : token.isName("first") ? DiagKind::unsupported_keep_first
                                          : DiagKind::unsupported_keep_last);
      advance();
      if (!parseExpr())
        return false;
      if (isTop && token.isName("by")) {
        advance();
        if (!parseExpr())
          return false;
      }
    } while (consume(","));
  }
  if (token.isName("per"))
    advance(), advance();
  if (token.isName("evict"))
    return unsupported(DiagKind::unsupported_evict);
  if (token.isName("every")) {
    unsupported(DiagKind::unsupported_every);
    advance();
    return parseExpr() != nullptr;
  }
  return true;
}

} // namespace kv
