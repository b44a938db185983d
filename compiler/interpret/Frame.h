// A call of a kernel while it runs: its values, its scratch, what has been copied ahead. The table says how each op runs.
#ifndef KV_INTERPRET_FRAME_H
#define KV_INTERPRET_FRAME_H

#include "compiler/interpret/CacheReader.h"
#include "compiler/interpret/Memory.h"
#include "compiler/interpret/Values.h"
#include "dialect/KvOps.h"
#include "kv/kv_abi.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <map>

namespace kv::tiles {

class Frame;

/// How each op runs, by its type.
class Table {
public:
  using Handler = std::function<llvm::Error(Frame &, mlir::Operation *)>;

  /// All that there are.
  static const Table &all();
  const Handler *find(mlir::Operation *op) const {
    auto found = handlers.find(op->getName().getTypeID());
    return found == handlers.end() ? nullptr : &found->second;
  }
  template <typename OpType> void add(llvm::Error (*run)(Frame &, OpType)) {
    handlers[mlir::TypeID::get<OpType>()] = [run](Frame &frame, mlir::Operation *op) { return run(frame, llvm::cast<OpType>(op)); };
  }
  template <typename OpType> void addGeneric(Handler run) { handlers[mlir::TypeID::get<OpType>()] = std::move(run); }

private:
  llvm::DenseMap<mlir::TypeID, Handler> handlers;
};

void addAddressOps(Table &table);
void addCacheOps(Table &table);
void addControlFlow(Table &table);
void addElementwiseOps(Table &table);
void addMemoryOps(Table &table);
void addProductOps(Table &table);
void addStepOps(Table &table);
void addTileOps(Table &table);

/// What calls of one run share.
struct Run {
  const kv_step &step;
  const KernelMemory &memory;
  std::map<const void *, CacheReader> readers;
};

/// The error of an op: "`kv.fetch`: why".
template <typename... Args> llvm::Error fail(mlir::Operation *op, fmt::format_string<Args...> why, Args &&...args) {
  std::string text = fmt::format(why, std::forward<Args>(args)...);
  return llvm::createStringError("`" + op->getName().getStringRef() + "`: " + text);
}

class Frame {
public:
  Frame(Run &run, const kv_item &item) : run(run), item(item) {}

  llvm::Error call(mlir::func::FuncOp function, llvm::ArrayRef<Datum> arguments);
  /// Runs the ops of a block; `yielded` becomes the operands of its terminator.
  llvm::Error runBlock(mlir::Block &block, llvm::SmallVectorImpl<Datum> &yielded);

  void set(mlir::Value value, Datum datum) { values[value] = std::move(datum); }
  const Datum &get(mlir::Value value) const;
  // Verified IR has no value of another kind.
  const Data &data(mlir::Value value) const { return std::get<Data>(get(value)); }
  int64_t integer(mlir::Value value) const { return data(value).integers[0]; }
  bool isTrue(mlir::Value value) const { return integer(value) != 0; }
  Address address(mlir::Value value) const { return std::get<Address>(get(value)); }
  HomeData &home(mlir::Value value) const { return *std::get<HomeData *>(get(value)); }
  const BlockData &block(mlir::Value value) const { return std::get<BlockData>(get(value)); }
  const CacheReader &reader(CacheType cache);

  /// Whether the kernel may touch these bytes: the caller's, or those that the function has for itself.
  bool allows(const void *bytes, int64_t count, bool writes) const {
    return run.memory.allows(bytes, count, writes) || own.allows(bytes, count, writes);
  }
  HomeData &makeHome() { return homes.emplace_back(); }
  Address makeBytes(int64_t count);
  kv_item &makeItem();

  Run &run;
  const kv_item &item;
  int64_t groups = 0; ///< of copies that are closed

private:
  llvm::DenseMap<mlir::Value, Datum> values;
  std::deque<HomeData> homes;
  std::deque<std::vector<uint8_t>> bytes;
  std::deque<kv_item> items;
  KernelMemory own;
};

/// What a field of a new item holds until it is set.
inline constexpr int64_t unsetField = INT64_MIN + 0x5a5a;

} // namespace kv::tiles

#endif
