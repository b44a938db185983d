// The state of DistributeTiles while it rewrites one kernel: what every tile, home and block has become.
#ifndef KV_DISTRIBUTOR_H
#define KV_DISTRIBUTOR_H

#include "compiler/transforms/KernelBuilder.h"
#include "compiler/transforms/StreamAccess.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

namespace kv {

/// Where consecutive tokens of a head are: one page and the slot of the first, or several whole pages (firstSlot 0).
struct TokenPages {
  mlir::Value head;
  llvm::SmallVector<mlir::Value> pages;
  mlir::Value list; ///< where the addresses of several pages lie in scratch, for loops over them
  mlir::Value firstSlot;
};

/// A kv.block.
struct BlockPages : TokenPages {
  PageMap map;
  int64_t tokens;                  ///< of the block
  bool ragged;                     ///< the block may reach past the page's slots
  std::optional<TokenPages> ahead; ///< the block to prefetch

  /// Tokens of the block in each page.
  int64_t tokensPerPage() const { return tokens / int64_t(pages.size()); }
};

/// Where a prefetch puts a line.
enum class CacheLevel { first, second };

/// Builds vectors. Everything is i64, vector<lanes x T> or scalar.
class VectorBuilder : public KernelBuilder {
public:
  using KernelBuilder::KernelBuilder;
  explicit VectorBuilder(mlir::func::FuncOp func) : KernelBuilder(func) {}

  mlir::VectorType vec(int64_t lanes, mlir::Type element) { return mlir::VectorType::get({lanes}, element); }
  Value broadcast(Value scalar, int64_t lanes) {
    return mlir::vector::BroadcastOp::create(*this, loc, vec(lanes, scalar.getType()), scalar);
  }
  /// Lane `lane` of a vector, or a scalar, in `lanes` lanes.
  Value laneEverywhere(Value source, int64_t lane, int64_t lanes);
  Value splat(int64_t value, mlir::VectorType type);
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
  void prefetch(Value address, CacheLevel level);
  Value shl(Value value, int64_t by);
  Value shrU(Value value, int64_t by);
  Value shrS(Value value, int64_t by);
  Value andBits(Value value, int64_t bits);
  Value xorBits(Value value, int64_t bits);
  Value bitcast(mlir::Type type, Value value) { return mlir::arith::BitcastOp::create(*this, loc, type, value); }
  Value like(int64_t value, mlir::Type type);
  /// f32 to bf16 bits in the low half of an i32, to nearest even; NaN stays NaN.
  Value bfloatBits(Value f32);
  /// Index of an element of a region.
  Value element(const Region &region, Value h, Value t, Value d);
  /// region.offset + element * bits / 8 from `page`.
  Value elementAddress(const Region &region, Value page, Value index);
};

class Distributor {
public:
  Distributor(mlir::func::FuncOp func);
  void run();

  VectorBuilder b;
  mlir::IRMapping scalars;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> tiles; ///< row by row, then along lanes
  llvm::DenseMap<mlir::Value, BlockPages> blocks;

  llvm::ArrayRef<mlir::Value> tile(mlir::Value value) { return tiles.find(value)->second; }
  mlir::Value scalar(mlir::Value value) { return scalars.lookupOrDefault(value); }
  /// What one part of a tile of this type is: a vector of its lanes, or a scalar.
  mlir::Type partType(mlir::RankedTensorType type);
  static TileAttr encoding(mlir::Type type) { return mlir::cast<TileAttr>(mlir::cast<mlir::RankedTensorType>(type).getEncoding()); }
  /// Address of home[row][column].
  mlir::Value homeAddress(mlir::Value home, mlir::Value row, mlir::Value column);

private:
  mlir::func::FuncOp func;
  int64_t scratchBytes = 0;
  mlir::Value scratch;

  /// The next `bytes` of the item's scratch.
  mlir::Value allocate(int64_t bytes);
  void distribute(mlir::Block &block);
  void distribute(mlir::Operation &op);
  void convert(mlir::scf::ForOp op);
  void convert(mlir::scf::IfOp op);
  void convertElementwise(mlir::Operation &op);
  void convert(ScratchOp op);
  void convert(FetchOp op);
  void convert(StoreOp op);
  void convert(PackOp op);
  void convert(LoadOp op);
  void convert(SaveOp op);
  void convert(EncodeOp op);
  void convert(IndexOp op);
  void convert(SpreadOp op);
  void convert(ReduceOp op);
  void convert(AcquireOp op);
  void convert(ReadOp op);
  void convert(ParameterAddressOp op);
  void convert(ScatterOp op);
  TokenPages findPages(AcquireOp op, mlir::Value head, mlir::Value token, mlir::Value count, bool several);
};

/// The parts of `op`'s result, given its distributed operands (DistributeProduct.cpp).
llvm::SmallVector<mlir::Value> distributeProduct(Distributor &d, ProductOp op);

} // namespace kv

#endif
