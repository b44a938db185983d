// The state of DistributeTiles while it rewrites one kernel: what every tile, home and block has become.
#ifndef KV_DISTRIBUTOR_H
#define KV_DISTRIBUTOR_H

#include "compiler/distribute/DistributeOpInterface.h"
#include "compiler/distribute/LaneMap.h"
#include "compiler/schedule/Pacing.h"
#include "dialect/KernelBuilder.h"
#include "dialect/TokenMap.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

namespace kv {

/// Where consecutive tokens of a head are: one page and the slot of the first, or several whole pages (firstSlot 0).
struct TokenPages {
  mlir::Value head;
  llvm::SmallVector<mlir::Value> pages;
  mlir::Value list; ///< where the addresses of several pages lie in scratch, for loops over them; none of blocks only staged
  mlir::Value firstSlot;
  mlir::Value tileOffset = {}; ///< of a block that is one tile of each page: the byte of a page where it starts
};

/// A kv.block.
struct BlockPages : TokenPages {
  PageMap map;
  int64_t tokens;                       ///< of the block
  bool ragged;                          ///< the block may reach past the page's slots
  std::optional<TokenPages> ahead;      ///< the block to prefetch
  std::optional<WholeTiles> tilesAhead = std::nullopt; ///< the block ahead, from where its pages say on

  /// Tokens of the block in each page.
  int64_t tokensPerPage() const { return tokens / int64_t(pages.size()); }
};

/// Builds what a team works on: an i64 or another scalar that all lanes share, or a part of a tile. That is a vector<lanes x T> in
/// a team that is a vector, one T in a team of threads.
class TeamBuilder : public KernelBuilder {
public:
  explicit TeamBuilder(mlir::func::FuncOp func);
  /// Of a team of threads; 0: lanes are those of a vector.
  int64_t threads = 0;

  /// The type of a part of `lanes` elements.
  mlir::Type vec(int64_t lanes, mlir::Type element) {
    return threads ? element : mlir::Type(mlir::VectorType::get({lanes}, element));
  }
  Value broadcast(Value scalar, int64_t lanes) {
    return threads ? scalar : mlir::vector::BroadcastOp::create(*this, loc, vec(lanes, scalar.getType()), scalar).getResult();
  }
  /// This thread's number.
  Value lane() { return LaneOp::create(*this, loc); }
  /// What a thread adds to a coordinate: bit i of it is bit bits[i] of the thread's number, or 0 for -1.
  Value laneOffset(llvm::ArrayRef<int64_t> bits);
  /// Runs `body` in those threads whose number has none of these bits, so that one of several that hold the same is at work.
  void onOwners(int64_t idleBits, llvm::function_ref<void()> body);
  /// What `make` builds where `condition` holds, else `otherwise`.
  llvm::SmallVector<Value> onlyIf(Value condition, mlir::ValueRange otherwise, llvm::function_ref<llvm::SmallVector<Value>()> make);
  /// Runs `body` ahead of the barrier that stands last, if one does: threads compute addresses before they wait.
  void aheadOfBarrier(llvm::function_ref<void()> body);
  /// begin <= at < end; a bound that is null is none.
  Value isBetween(Value at, Value begin, Value end);
  /// start + first, start + first + 1, ... along lanes, i32.
  Value countLanes(Value start, int64_t first, int64_t lanes);
  /// The low, or high, halves of vectors x and y, runs of `words` lanes of each in turn.
  Value interleave(Value x, Value y, int64_t words, bool high);
  /// The even, or odd, pairs of lanes of x, then those of y: what interleaving two by two has undone.
  Value separate(Value x, Value y, bool odd);
  /// Lane `lane` of a vector in `lanes` lanes.
  Value laneEverywhere(Value source, int64_t lane, int64_t lanes);
  /// Unaligned load and store.
  Value loadVector(mlir::Type type, Value address) {
    return mlir::LLVM::LoadOp::create(*this, loc, type, address, elementBytes(type));
  }
  void storeVector(Value value, Value address) {
    mlir::LLVM::StoreOp::create(*this, loc, value, address, elementBytes(value.getType()));
  }
  static unsigned elementBytes(mlir::Type type) {
    mlir::Type element = mlir::getElementTypeOrSelf(type);
    return mlir::isa<mlir::LLVM::LLVMPointerType>(element) ? 8 : std::max(1u, element.getIntOrFloatBitWidth() / 8);
  }
  /// Asks for the line of an address; it may be anything.
  void prefetch(Value address);
  /// Index of an element of a region.
  Value element(const Region &region, Value h, Value t, Value d);
  /// region.offset + element * bits / 8 from `page`.
  Value elementAddress(const Region &region, Value page, Value index);
};

class Distributor {
public:
  Distributor(mlir::func::FuncOp func);
  void run();
  /// What its model builds; without one a copy, or of an op on tiles one for each of their parts.
  void distribute(mlir::Operation &op);

  TeamBuilder b;
  const ScheduleAttr schedule;
  mlir::IRMapping scalars;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> tiles; ///< row by row, then along lanes
  llvm::DenseMap<mlir::Value, BlockPages> blocks;
  llvm::SmallVector<mlir::Value> linesToAsk; ///< to prefetch between the parts of the next elementwise op

  llvm::ArrayRef<mlir::Value> tile(mlir::Value value) { return tiles.find(value)->second; }
  mlir::Value scalar(mlir::Value value) { return scalars.lookupOrDefault(value); }
  /// What one part of a tile of this type is: a vector of its lanes, or a scalar.
  mlir::Type partType(mlir::RankedTensorType type);
  size_t numParts(mlir::RankedTensorType type);
  static TileAttr encoding(mlir::Type type) { return mlir::cast<TileAttr>(mlir::cast<mlir::RankedTensorType>(type).getEncoding()); }
  /// Where a part of a tile begins; of a tile of rank 1, row is the coordinate and column 0.
  struct Cell {
    mlir::Value row, column;
  };
  llvm::SmallVector<Cell> cells(mlir::RankedTensorType type);
  /// In a team of threads: where a token of a block is that other threads know nothing of.
  struct OwnToken {
    mlir::Value page, slot;
  };
  OwnToken ownToken(const BlockPages &block, mlir::Value token);
  /// The page of a token of a block that is several pages, by their list.
  mlir::Value pageInList(const BlockPages &block, const TokenPages &where, mlir::Value token);
  /// Page and slot of token `first + offset`, of a block or of the one ahead.
  std::pair<mlir::Value, mlir::Value> placeOfToken(const BlockPages &block, const TokenPages &where, mlir::Value first,
                                                   int64_t offset);
  /// Lines of the tiles that the block ahead is, from a byte on; where a page ends, those of the next follow.
  llvm::SmallVector<mlir::Value> linesAhead(const BlockPages &block, mlir::Value byte, int64_t lines);
  /// Those that iteration number `iteration` of an op asks for: `ask` is from which byte on, in which steps.
  llvm::SmallVector<mlir::Value> linesAhead(const BlockPages &block, mlir::ValueRange ask, mlir::Value iteration, int64_t lines) {
    return linesAhead(block, b.KernelBuilder::add(scalar(ask[0]), b.KernelBuilder::mul(iteration, scalar(ask[1]))), lines);
  }
  /// Address of home[row][column].
  mlir::Value homeAddress(mlir::Value home, mlir::Value row, mlir::Value column);
  mlir::Value rowAddress(mlir::Value home, mlir::Value row) { return homeAddress(home, row, b.i64(0)); }
  mlir::Value homeAddress(mlir::Value home) { return rowAddress(home, b.i64(0)); }

  /// The next `bytes` of the item's scratch.
  mlir::Value allocate(int64_t bytes);
  void storeParts(mlir::RankedTensorType type, llvm::ArrayRef<mlir::Value> parts,
                  llvm::function_ref<mlir::Value(const Cell &)> addressOf);

private:
  mlir::func::FuncOp func;
  int64_t scratchBytes = 0;
  mlir::Value scratch;

  void moveScratchToStack();
};

/// One op on tiles becomes the same op on each of their parts.
void distributeElementwise(Distributor &d, mlir::Operation &op);

/// The parts of `op`'s result, given its distributed operands: a product by a matrix record (DistributeMatrix.cpp).
llvm::SmallVector<mlir::Value> distributeMatrix(Distributor &d, ProductOp op);

} // namespace kv

#endif
