// The printer.
#include "compiler/frontend/Printer.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace kv {

//===- expressions -----------------------------------------------------------------------------------------------------------===//

/// As in ParseExpr.cpp; 8 is what needs no parentheses anywhere.
static unsigned precedence(const Expr &expr) {
  if (expr.kind == ExprKind::unary)
    return 6;
  if (expr.kind != ExprKind::binary)
    return 8;
  return StringSwitch<unsigned>(expr.word.text)
      .Case("||", 1)
      .Case("&&", 2)
      .Cases({"+", "-"}, 4)
      .Cases({"*", "/"}, 5)
      .Case("**", 7)
      .Default(3);
}

static void printOperand(const Expr &expr, unsigned least, raw_ostream &os) {
  bool parentheses = precedence(expr) < least;
  if (parentheses)
    os << "(";
  printExpr(expr, os);
  if (parentheses)
    os << ")";
}

void printExpr(const Expr &expr, raw_ostream &os) {
  unsigned level = precedence(expr);
  switch (expr.kind) {
  case ExprKind::integer:
  case ExprKind::number:
  case ExprKind::boolean:
  case ExprKind::name:
    os << expr.word.text;
    return;
  case ExprKind::unary:
    os << expr.word.text;
    printOperand(*expr.operands[0], level, os);
    return;
  case ExprKind::binary: {
    bool isPower = level == 7, chains = level != 3 && !isPower;
    printOperand(*expr.operands[0], isPower ? 8 : level + !chains, os);
    os << " " << expr.word.text << " ";
    printOperand(*expr.operands[1], isPower ? 6 : level + 1, os);
    return;
  }
  case ExprKind::call:
  case ExprKind::index:
    os << expr.word.text << (expr.kind == ExprKind::call ? "(" : "[");
    interleave(expr.operands, [&](const ExprPtr &operand) { printExpr(*operand, os); }, [&] { os << ", "; });
    os << (expr.kind == ExprKind::call ? ")" : "]");
    return;
  }
}

//===- declarations ----------------------------------------------------------------------------------------------------------===//

static void printCodec(const CheckedCodec &codec, raw_ostream &os) {
  os << stringifyElement(codec.element);
  if (!codec.isInteger())
    return;
  os << " group(d:";
  if (codec.syntax->groupSize)
    printExpr(*codec.syntax->groupSize, os);
  else if (codec.syntax->group || codec.bits() == 8)
    os << "*";
  else
    os << codec.group;
  os << ") " << stringifyZeroPoint(codec.zero) << " scale " << stringifyElement(codec.scale);
}

static void printDigitPart(const ExprPtr &expr, StringRef op, raw_ostream &os) {
  if (!expr)
    return;
  os << op;
  printOperand(*expr, 8, os);
}

static void printOrder(const std::optional<OrderSyntax> &order, raw_ostream &os) {
  if (!order || order->digits.empty()) {
    os << "auto";
    return;
  }
  os << "[";
  ListSeparator comma;
  for (const DigitSyntax &digit : order->digits) {
    os << comma << digit.letter.text;
    printDigitPart(digit.divisor, "/", os);
    printDigitPart(digit.extent, "%", os);
  }
  os << "]";
}

static void printCache(const CheckedCache &cache, raw_ostream &os) {
  os << "cache " << cache.name() << "(";
  ListSeparator comma;
  for (const CheckedParameter &parameter : cache.parameters) {
    os << comma << parameter.name.text << " = ";
    if (parameter.overridden)
      os << parameter.value;
    else if (parameter.syntax)
      printExpr(*parameter.syntax, os);
    else
      os << "D"; // the default of Dv
  }
  os << ") {\n";
  std::string key, value;
  raw_string_ostream keyStream(key), valueStream(value);
  printCodec(cache.key, keyStream);
  printCodec(cache.value, valueStream);
  if (key == value)
    os << "  k, v: " << key << "\n";
  else
    os << "  k: " << key << "\n  v: " << value << "\n";
  const LayoutSyntax &layout = cache.syntax->layout;
  os << "  layout " << layout.kind.text << "(";
  printExpr(*layout.slots, os);
  os << ") ";
  if (layout.tile) {
    os << "tile(";
    printExpr(*layout.tile, os);
    os << ") ";
  }
  if (layout.separate) {
    os << "k ";
    printOrder(layout.key, os);
    os << ", v ";
    printOrder(layout.value, os);
  } else {
    printOrder(layout.key, os);
  }
  os << "\n  keep all\n}\n";
}

static void printAttend(const CheckedAttend &attend, const CheckedCache &cache, raw_ostream &os) {
  const AttendSyntax &syntax = *attend.syntax;
  os << "attend " << attend.name() << "(q: " << syntax.queryType.text << "[";
  printExpr(*syntax.least, os);
  os << "..";
  printExpr(syntax.most ? *syntax.most : *syntax.least, os);
  os << "]";
  for (const ArraySyntax &array : syntax.arrays) {
    os << ", " << array.name.text << ": f32[";
    printExpr(*array.extent, os);
    os << "]";
  }
  os << ") on " << cache.name() << " -> (o: " << syntax.outputType.text << (attend.hasLse() ? ", lse: f32" : "") << ") {\n";
  os << "  mask ";
  if (attend.mask)
    printExpr(*attend.mask, os);
  else
    os << "j <= i";
  os << "\n  scale ";
  if (syntax.scale)
    printExpr(*syntax.scale, os);
  else
    os << "D ** -0.5";
  os << "\n  score ";
  if (attend.score)
    printExpr(*attend.score, os);
  else
    os << "s";
  if (syntax.sinks)
    os << "\n  sinks " << syntax.sinks.text;
  os << "\n  accuracy " << stringifyAccuracy(attend.accuracy) << "\n}\n";
}

static void printSchedule(const CheckedSchedule &schedule, raw_ostream &os) {
  os << "schedule " << schedule.syntax->attend.text << " for " << schedule.syntax->target.text << " {";
  ListSeparator semicolon(";");
  for (const CheckedSchedule::Entry &entry : schedule.entries) {
    os << semicolon << " " << entry.key << " ";
    if (entry.word.empty())
      os << entry.value;
    else
      os << entry.word;
  }
  os << (schedule.entries.empty() ? "}\n" : " }\n");
}

void printSource(const CheckedFile &file, raw_ostream &os) {
  ListSeparator blank("\n");
  for (const CheckedCache &cache : file.caches) {
    os << blank;
    printCache(cache, os);
  }
  for (const CheckedAttend &attend : file.attends) {
    os << blank;
    printAttend(attend, file.caches[attend.cache], os);
  }
  SmallPtrSet<const ScheduleSyntax *, 8> printed; // one may belong to attends of several caches
  for (const CheckedAttend &attend : file.attends)
    for (const CheckedSchedule &schedule : attend.schedules)
      if (printed.insert(schedule.syntax).second) {
        os << blank;
        printSchedule(schedule, os);
      }
}

} // namespace kv
