// `cache NAME(parameters) { codecs layout keep }`. What the language has and this compiler has not is refused here, by name.
#include "compiler/frontend/ParserImpl.h"

#include "dialect/KvAttrs.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace kv {

static const StringRef cacheClauses[] = {"k", "v", "layout", "keep", "rope", "stream", "view"};
static const StringRef codecOptions[] = {"group", "sym", "asym", "scale"};

void Parser::parseCache() {
  auto cache = std::make_unique<CacheSyntax>();
  keepWord = {};
  advance();
  bool good = expectName(cache->name, "the name of a cache") && parseParameters(*cache);
  if (!good)
    skipTo({"{"});
  good &= parseBlock("a cache", cacheClauses, [&] { return parseCacheClause(*cache); });
  cache->broken = !good;
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
  if (token.is("{")) {
    DiagKind kind = StringSwitch<DiagKind>(peek().text)
                        .Cases({"last", "flush"}, DiagKind::unsupported_tier_age)
                        .Case("first", DiagKind::unsupported_tier_position)
                        .Case("layer", DiagKind::unsupported_tier_layer)
                        .Default(DiagKind::unsupported_tier);
    return unsupported(kind, {second ? "k, v" : first.text.str()});
  }
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

bool Parser::parseCodecType(CodecSyntax &codec) {
  auto oneOf = [&](std::initializer_list<StringRef> names) {
    return token.kind == TokenKind::name && is_contained(names, token.text);
  };
  std::vector<std::string> name = {token.text.take_front(40).str()};
  if (oneOf({"i3", "u3"}))
    return unsupported(DiagKind::unsupported_3bit, name);
  if (oneOf({"i2", "u2"}))
    return unsupported(DiagKind::unsupported_2bit, name);
  if (oneOf({"f8e4m3", "f8e5m2", "f8e8m0"}))
    return unsupported(DiagKind::unsupported_f8, name);
  if (oneOf({"f4e2m1"}))
    return unsupported(DiagKind::unsupported_f4, name);
  if (oneOf({"codebook"}))
    return unsupported(DiagKind::unsupported_codebook);
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
    if (token.text == "static")
      return unsupported(DiagKind::unsupported_static);
    if (token.text == "rotate")
      return unsupported(DiagKind::unsupported_rotate);
    if (token.text == "zero")
      return unsupported(DiagKind::unsupported_zero);
    if (!is_contained(codecOptions, token.text)) {
      if (token.startsLine || is_contained(cacheClauses, token.text))
        break;
      return unknownWord(token, "codec option", codecOptions);
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
  if (token.kind == TokenKind::name && is_contained({"bf16", "f8e4m3", "f8e5m2", "f8e8m0"}, token.text))
    return unsupported(DiagKind::unsupported_scale_type, {token.text.str()});
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
    if (token.isName("t"))
      return unsupported(DiagKind::unsupported_group_t);
    if (token.isName("h"))
      return unsupported(DiagKind::unsupported_group_h);
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
  if (token.isName("ring"))
    return unsupported(DiagKind::unsupported_ring);
  if (token.isName("slots"))
    return unsupported(DiagKind::unsupported_slots);
  if (!token.isName("dense") && !token.isName("paged"))
    return unknownWord(token, "layout", {"dense", "paged"});
  layout.kind = takeWord();
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
  if (token.isName("scales"))
    return unsupported(DiagKind::unsupported_scales);
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
  if (token.isName("first"))
    return unsupported(DiagKind::unsupported_keep_first);
  if (token.isName("last"))
    return unsupported(DiagKind::unsupported_keep_last);
  if (token.isName("top"))
    return unsupported(DiagKind::unsupported_keep_top);
  if (!token.isName("all"))
    return unknownWord(token, "keep rule", {"all"});
  advance();
  if (token.isName("evict"))
    return unsupported(DiagKind::unsupported_evict);
  if (token.isName("every"))
    return unsupported(DiagKind::unsupported_every);
  return true;
}

} // namespace kv
