// What SelectSchedule chooses from, what it chooses, and its steps, in the order in which it takes them.
#ifndef KV_CHOICE_H
#define KV_CHOICE_H

#include "compiler/schedule/ChooseDot.h"
#include "mlir/IR/Operation.h"

namespace kv {

/// What a level-0 op asks for.
struct Work {
  CacheType cache;        ///< its orders resolved
  int64_t group = 1;      ///< query heads of a kv head
  int64_t minQueries = 1; ///< of a step
  int64_t maxQueries = 1;
  bool hasScore = false; ///< beside q . k
  int64_t runs = 1;      ///< of tokens that a query sees
  Precision precision = {};
};

/// A #kv.schedule that is being chosen: KvSchedule.td says what its numbers mean.
struct Choice {
  struct {
    int64_t queries = 1, heads = 1, split = 2048;
  } item;
  struct {
    int64_t one = 1, many = 0, softmax = 1, manySoftmax = 0;
    bool always = false, share = false;
  } rows;
  struct {
    int64_t tokens = 64, ahead = 1, stages = 0;
    StatePlace state = StatePlace::scratch;
    Masks masks = Masks::always;
  } block;
  struct Product {
    Dot dot = Dot::f32;
    LoadAttr load;
    int64_t slice = 1, manySlice = 0, unroll = 0;
    Decoding decode = Decoding::each;
  } scores, sums;
  struct {
    int64_t lanes = 4, threads = 0;
  } team;

  Product &of(Contract contract) { return contract == Contract::d ? scores : sums; }
  /// What the source calls `prefetch`: threads copy blocks that a processor asks for.
  int64_t &prefetch() { return team.threads ? block.stages : block.ahead; }
};

/// Queries and heads of an item (ChooseItem.cpp).
void chooseItem(const Capabilities &target, const Work &work, Choice &choice);
/// Tokens of a block, and lanes along them; blocks of matrix tiles, once there are matrix records (ChooseBlock.cpp).
void chooseBlock(const Capabilities &target, const Work &work, Choice &choice);
int64_t matrixBlock(CacheType cache);
/// Dot records (ChooseDot.cpp).
void chooseDots(const Capabilities &target, const Work &work, Choice &choice);
/// Tokens of a split, and a number that they are a multiple of: whole blocks and, where blocks end with their page, whole pages
/// (ChooseItem.cpp).
void chooseSplit(const Work &work, Choice &choice);
int64_t splitUnit(CacheType cache, int64_t block);
/// Blocks that are asked for, or copied, ahead (ChooseBlock.cpp).
void chooseAhead(const Work &work, Choice &choice);
/// What a `schedule NAME for TARGET` of the source says in place of the choices before, or an error at the op (ApplyOverrides.cpp).
llvm::LogicalResult applyOverrides(mlir::Operation *op, const Capabilities &target, const Work &work,
                                   mlir::DictionaryAttr overrides, Choice &choice);
/// Row tiles, and where their state is (ChooseRows.cpp).
void chooseRows(const Capabilities &target, const Work &work, Choice &choice);
/// The most rows that softmax works on at a time in a vector's registers; 0: as many as there are.
int64_t mostSoftmaxRows(const Capabilities &target, int64_t lanes, int64_t block);
/// Loads, slices and decoding of both products (ChooseProduct.cpp).
void chooseProducts(const Capabilities &target, const Work &work, Choice &choice);

} // namespace kv

#endif
