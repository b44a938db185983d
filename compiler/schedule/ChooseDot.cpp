#include "compiler/schedule/ChooseDot.h"

#include "compiler/codecs/CodecFamily.h"
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/ChooseLoad.h"

using namespace mlir;

namespace kv {

/// Row operands have 8 bits, bf16's among them, for `fast`, 11 and more for `high`. Queries are signed, probabilities are not.
/// Rows of bf16 do for `high` too where they add nothing to the types' own rounding: queries that are bf16 stay as they are, and
/// probabilities of 8 bits move an output by half the step to which an output of bf16 is rounded.
static bool allows(const Precision &precision, Stream stream, Dot dot) {
  Accuracy accuracy = precision.accuracy;
  if (!roundsRows(dot) || accuracy == Accuracy::exact)
    return false;
  if (dot == Dot::f16 || dot == Dot::bf16x2 || dot == Dot::s16)
    return true;
  if (plainDot(dot) == Dot::bf16)
    return accuracy == Accuracy::fast || (stream == Stream::key ? precision.query : precision.output).isBF16();
  return isTwoBytes(dot) == (accuracy == Accuracy::high) && hasSignedRows(dot) == (stream == Stream::key);
}

/// In runs of four elements or of a load, and eight columns at a time.
bool DotChooser::fitsMatrix(Stream stream, Dot dot) const {
  CodecAttr codec = cache.getCodec(stream);
  if (!familyOf(codec).fitsMatrixDot(codec, dot))
    return false;
  int64_t run = matrixRun(productLoad(cache, stream, /*lanes=*/1));
  if (stream == Stream::key)
    return cache.getRun(stream) % run == 0;
  return tokensOfRuns % (4 * run) == 0 && cache.getRun(stream) % 8 == 0;
}

bool DotChooser::fits(Stream stream, Dot dot) const {
  if (isMatrixDot(target, dot))
    return fitsMatrix(stream, dot);
  LoadAttr load = productLoad(cache, stream, lanes);
  if (load.getPack() > 2 * lanes || !fitsPackedDot(load, cache.getCodec(stream), plainDot(dot)))
    return false;
  if (!isPaired(dot))
    return true;
  // Two words of each of two rows.
  return rows > 1 && lanes % 4 == 0 && (stream == Stream::value || cache.getRun(stream) % (2 * dotDepth(dot)) == 0);
}

/// Few channels average little of what rounding to bytes does, and are cheap: they are multiplied as under `high`.
bool DotChooser::permits(Stream stream, Dot dot) const {
  constexpr int64_t few = 32;
  bool isFew = std::min(cache.getKeyDim(), cache.getValueDim()) < few;
  bool asHigh = precision.accuracy == Accuracy::fast && isIntegerDot(dot) && isFew;
  return allows(asHigh ? asUnderHigh() : precision, stream, dot);
}

Dot DotChooser::fastest(Stream stream) const {
  for (const auto &[dot, instruction] : target.dots)
    if (dot == Dot::f32 || (permits(stream, dot) && fits(stream, dot)))
      return dot;
  return Dot::f32;
}

Dot DotChooser::namedFor(Stream stream, ArrayRef<Dot> named) const {
  for (Dot dot : named) // one with more bits than the class asks for will do
    if ((permits(stream, dot) || allows(asUnderHigh(), stream, dot)) && fits(stream, dot))
      return dot;
  return Dot::f32;
}

bool DotChooser::allowsAny(ArrayRef<Dot> named) const {
  return precision.accuracy != Accuracy::exact && llvm::any_of(named, [&](Dot dot) {
           return llvm::any_of(std::initializer_list<Stream>{Stream::key, Stream::value},
                               [&](Stream stream) { return allows(precision, stream, dot) || allows(asUnderHigh(), stream, dot); });
         });
}

void chooseDots(const Capabilities &target, const Work &work, Choice &choice) {
  DotChooser dots(target, work.cache, work.precision, choice.team.lanes, work.group);
  choice.scores.dot = dots.fastest(Stream::key);
  choice.sums.dot = dots.fastest(Stream::value);
  bool matrix = isMatrixDot(target, choice.scores.dot);
  // Numbers of rows would change maps in every block: only where a schedule says so.
  if (matrix != isMatrixDot(target, choice.sums.dot))
    choice.scores.dot = choice.sums.dot = Dot::f32;
  else if (matrix)
    choice.block.tokens = matrixBlock(work.cache);
}

} // namespace kv
