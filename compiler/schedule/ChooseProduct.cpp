// How a product goes through a block: its load, and the slice of tokens or channels whose sums it has in registers at a time. From
// the registers of a target, the rows of a row tile and the dot record.
#include "compiler/codecs/CodecFamily.h"
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/ChooseLoad.h"

using namespace mlir;

namespace kv {

namespace {

struct ProductChooser {
  const Capabilities &target;
  const Work &work;
  Choice &choice;

  CacheType cache = work.cache;
  int64_t lanes = choice.team.lanes;

  void choose() {
    for (Stream stream : allStreams) {
      Choice::Product &product = choice.of(StreamRef(stream).contract);
      product.load = chooseLoad(stream);
      product.decode = chooseDecoding(product);
    }
    choice.scores.slice = sliceOfScores(choice.rows.one, /*several=*/false);
    choice.sums.slice = sliceOfSums(choice.rows.one, /*several=*/false);
    if (!choice.rows.many)
      return;
    choice.scores.manySlice = sliceOfScores(choice.rows.many, /*several=*/true);
    choice.sums.manySlice = sliceOfSums(choice.rows.many, /*several=*/true);
  }

private:
  bool isMatrix(Dot dot) const { return isMatrixDot(target, dot); }

  /// From where a product reads the stream: from pages, or from blocks that have been copied.
  LoadAttr chooseLoad(StreamRef stream) const {
    bool staged = choice.block.stages != 0;
    CacheType read = staged ? stagedCache(cache, choice.block.tokens) : cache;
    return isMatrix(choice.of(stream.contract).dot) ? matrixLoad(read, stream, staged) : productLoad(read, stream, lanes);
  }

  /// Once where several row tiles are multiplied as f32: decoding costs about as much as a row's products.
  Decoding chooseDecoding(const Choice::Product &product) const {
    return choice.rows.many && product.dot == Dot::f32 ? Decoding::once : Decoding::each;
  }

  /// Tokens of an accumulation of so many rows.
  int64_t sliceOfScores(int64_t rows, bool several) const {
    int64_t tokens = choice.block.tokens;
    if (isMatrix(choice.scores.dot))
      return tokens;
    // Codes that are summed run by run need a second set of accumulators, one inside the run.
    bool exact = work.precision.accuracy == Accuracy::exact;
    bool grouped = cache.getGroups(Stream::key) > 1 || (cache.getKey().hasZero() && exact);
    int64_t vectors = vectorsPerSlice(vectorLimit(Stream::key, rows, grouped ? 2 : 1, several), tokens);
    if (isIntegerDot(choice.sums.dot)) // probabilities are packed in whole loads of values
      vectors = std::max(vectors, choice.sums.load.getPack() / lanes);
    return vectors * lanes;
  }

  /// Channels.
  int64_t sliceOfSums(int64_t rows, bool several) const {
    int64_t limit = isMatrix(choice.sums.dot) ? 128 / lanes : vectorLimit(Stream::value, rows, /*sets=*/1, several);
    return vectorsPerSlice(limit, cache.getRun(Stream::value)) * lanes;
  }

  /// Vectors of a slice that fit the registers: for each, an accumulator for every row of every set, what was loaded and, where a
  /// load feeds several steps of the record, what decoding keeps and the operand of one; and two registers more for a row's operand
  /// and a constant.
  int64_t vectorLimit(StreamRef stream, int64_t rows, int64_t sets, bool several) const {
    const Choice::Product &product = choice.of(stream.contract);
    bool decoded = several && product.decode == Decoding::once;
    CodecAttr codec = cache.getCodec(stream.stream);
    auto limit = [&](int64_t own) { return (target.registers - 2) / (rows * sets + own); };
    if (decoded || product.load.getPack() <= dotDepth(product.dot))
      return limit(1);
    // Sums of one vector wait for each other, which costs more than what decoding keeps does in memory.
    int64_t roomy = product.dot == Dot::f32 ? limit(familyOf(codec).decodeRegisters(codec) + 1) : 0;
    return roomy > 1 ? roomy : limit(2);
  }

  /// Largest power of two u <= limit with u * lanes dividing `extent`; at least 1.
  int64_t vectorsPerSlice(int64_t limit, int64_t extent) const {
    int64_t u = 1;
    while (u * 2 <= limit && extent % (u * 2 * lanes) == 0)
      u *= 2;
    return u;
  }
};

} // namespace

void chooseProducts(const Capabilities &target, const Work &work, Choice &choice) { ProductChooser{target, work, choice}.choose(); }

} // namespace kv
