// Tiles -> vectors and scalars: the only 1:N conversion. A tile of R rows and X elements over teams of L lanes becomes R * X / L
// vectors, or in a team of threads so many scalars of each thread; a tile that every lane holds becomes scalars. Homes become
// addresses in the item's scratch, blocks become page addresses.
//
//   %s = arith.mulf %a, %b : tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
//   ->  four arith.mulf : vector<16xf32>
//
// What is left of the dialect are the neutral instructions kv.dot, kv.exp2, kv.widen, kv.narrow on vectors.
#include "compiler/distribute/Distributor.h"
#include "compiler/distribute/Passes.h"
#include "dialect/Level.h"

using namespace mlir;

namespace kv {

Distributor::Distributor(func::FuncOp func) : b(func), schedule(func->getAttrOfType<ScheduleAttr>("kv.schedule")), func(func) {}

void Distributor::run() {
  mlir::Region body;
  body.takeBody(func.getBody());
  Block *entry = func.addEntryBlock();
  for (auto [from, to] : llvm::zip(body.front().getArguments(), entry->getArguments()))
    scalars.map(from, to);
  b.setInsertionPointToEnd(entry);
  b.step = entry->getArgument(0);
  b.item = entry->getArgument(1);
  scratch = b.read(ItemField::scratch);
  for (Operation &op : body.front())
    distribute(op);
  if (func->hasAttr("kv.scratch_on_stack") && !b.threads)
    moveScratchToStack();
  func->setAttr("kv.scratch_bytes", b.getI64IntegerAttr(scratchBytes));
  body.dropAllReferences();
}

/// For kernels with little scratch: a step of theirs needs no workspace.
void Distributor::moveScratchToStack() {
  if (!scratchBytes)
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&func.front());
  Value stack = LLVM::AllocaOp::create(b, func.getLoc(), b.ptr(), b.getI8Type(), b.i64(scratchBytes), /*alignment=*/64);
  scratch.replaceAllUsesWith(stack);
  scratchBytes = 0;
}

Type Distributor::partType(RankedTensorType type) {
  if (b.threads || encoding(type).getDim() < 0)
    return type.getElementType();
  return VectorType::get({encoding(type).getLanes()}, type.getElementType());
}

size_t Distributor::numParts(RankedTensorType type) {
  return isa<MapAttr>(type.getEncoding()) ? LaneMap(type).numParts() : size_t(type.getNumElements() / encoding(type).getLanes());
}

SmallVector<Distributor::Cell> Distributor::cells(RankedTensorType type) {
  SmallVector<Cell> result;
  if (b.threads) {
    LaneMap map(type);
    SmallVector<Value> offsets;
    for (int64_t dim = 0; dim < map.rank(); ++dim)
      offsets.push_back(b.laneOffset(map.bits(dim)));
    for (size_t part = 0; part < map.numParts(); ++part) {
      auto coordinate = [&](int64_t dim) { return b.add(offsets[dim], map.constant(part, dim)); };
      result.push_back({coordinate(0), map.rank() == 2 ? coordinate(1) : b.i64(0)});
    }
    return result;
  }
  TileAttr placed = encoding(type);
  int64_t columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
  int64_t rowStep = placed.getDim() == 0 ? placed.getLanes() : 1, columnStep = placed.getDim() == 1 ? placed.getLanes() : 1;
  for (int64_t r = 0; r < type.getDimSize(0); r += rowStep)
    for (int64_t c = 0; c < columns; c += columnStep)
      result.push_back({b.i64(r), b.i64(c)});
  return result;
}

void Distributor::storeParts(RankedTensorType type, ArrayRef<Value> parts, function_ref<Value(const Cell &)> addressOf) {
  auto store = [&] {
    for (auto [part, cell] : llvm::zip_equal(parts, cells(type)))
      b.storeVector(part, addressOf(cell));
  };
  b.threads ? b.onOwners(LaneMap(type).idleBits(b.threads), store) : store();
}

Value Distributor::homeAddress(Value home, Value row, Value column) {
  auto type = cast<MemRefType>(home.getType());
  int64_t bytes = TeamBuilder::elementBytes(type.getElementType());
  Value offset = b.mul(b.add(b.mul(row, type.getDimSize(1)), column), bytes);
  return b.at(scalar(home), offset);
}

Value Distributor::allocate(int64_t bytes) {
  Value address = b.at(scratch, scratchBytes);
  scratchBytes += (bytes + 63) / 64 * 64;
  return address;
}

void Distributor::distribute(Operation &op) {
  b.loc = op.getLoc();
  if (auto onTiles = dyn_cast<DistributeOpInterface>(op))
    return onTiles.distribute(*this);
  if (llvm::any_of(op.getResultTypes(), llvm::IsaPred<RankedTensorType>))
    return distributeElementwise(*this, op);
  b.clone(op, scalars);
}

//===- pass ------------------------------------------------------------------------------------------------------------------===//

namespace {

struct DistributeTiles : PassWrapper<DistributeTiles, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DistributeTiles)
  StringRef getArgument() const final { return "kv-distribute-tiles"; }
  StringRef getDescription() const final { return "turn tiles into vectors and scalars"; }
  void getDependentDialects(DialectRegistry &registry) const override { registerDistributeModels(registry); }

  void runOnOperation() override {
    if (!getOperation()->hasAttr("kv.kernel"))
      return;
    if (failed(checkPlaced()))
      return signalPassFailure();
    Distributor(getOperation()).run();
  }

private:
  /// Whether tiling and kv-place-tiles have been here.
  LogicalResult checkPlaced() {
    func::FuncOp func = getOperation();
    auto isPointer = llvm::IsaPred<LLVM::LLVMPointerType>;
    if (func.isDeclaration() || func.getNumArguments() < 2 || !llvm::all_of(func.getArgumentTypes().take_front(2), isPointer))
      return func.emitOpError() << "expected a kernel of a step and an item, as kv-tile-append and kv-convert-to-online make them";
    auto schedule = func->getAttrOfType<ScheduleAttr>("kv.schedule");
    if (!schedule)
      return func.emitOpError() << "expected a `kv.schedule`, which kv-select-schedule writes";
    auto isPlaced = [&](Type type) {
      auto tile = dyn_cast<RankedTensorType>(type);
      return !tile || (schedule.getTeam().getThreads() ? isa_and_nonnull<MapAttr>(tile.getEncoding())
                                                       : isa_and_nonnull<TileAttr>(tile.getEncoding()));
    };
    WalkResult result = func.walk([&](Operation *op) {
      Level level = levelOf(op->getName());
      if (level < Level::tiles || (level == Level::tiles && !isa<DistributeOpInterface>(op))) {
        op->emitOpError() << "is of the level `" << levelName(level) << "`, and nothing says how it is distributed";
        return WalkResult::interrupt();
      }
      if (auto product = dyn_cast<ProductOp>(op); product && product.getForm() != Form::codes) {
        op->emitOpError() << "expected a product of codes, as kv-quantize-operands leaves it";
        return WalkResult::interrupt();
      }
      if (llvm::all_of(op->getResultTypes(), isPlaced))
        return WalkResult::advance();
      op->emitOpError() << "expected a tile with an encoding, which kv-place-tiles gives it";
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }
};

} // namespace

std::unique_ptr<Pass> createDistributeTilesPass() { return std::make_unique<DistributeTiles>(); }

} // namespace kv
