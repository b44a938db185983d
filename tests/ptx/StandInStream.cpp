// StandInStream.cpp: streams, capture, graphs and events (CUDA driver API, sections 6.18, 6.19, 6.24).
#include "StandIn.h"

namespace kv::ptx::standin {
namespace {

bool isDefault(CUstream stream) { return reinterpret_cast<uintptr_t>(stream) <= 2; }

/// Runs `body` on a stream that exists, or on a default one (null).
CUresult onStream(CUstream stream, const std::function<CUresult(State &, CUstream)> &body) {
  return guarded([&](State &s) -> CUresult {
    if (isDefault(stream))
      return body(s, nullptr);
    return s.streams.count(stream) ? body(s, stream) : CUresult(invalidHandle);
  });
}

CUresult onEvent(CUevent event, const std::function<CUresult(State &)> &body) {
  return guarded([&](State &s) { return s.events.count(event) ? body(s) : CUresult(invalidHandle); });
}

} // namespace
} // namespace kv::ptx::standin

using namespace kv::ptx::standin;

extern "C" {

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  return guarded([&](State &s) -> CUresult {
    if (!stream || flags > 1)
      return invalidValue;
    *stream = new CUstream_st;
    s.streams.insert(*stream);
    return success;
  });
}
CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

CUresult cuStreamDestroy_v2(CUstream stream) {
  return guarded([&](State &s) -> CUresult {
    if (!s.streams.erase(stream))
      return invalidHandle;
    delete stream;
    return success;
  });
}

CUresult cuStreamSynchronize(CUstream stream) {
  return onStream(stream, [](State &, CUstream own) -> CUresult {
    if (!own || !own->capture)
      return success;
    own->invalidated = true;
    return captureUnsupported;
  });
}
CUresult cuStreamQuery(CUstream stream) { return cuStreamSynchronize(stream); }

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  return onStream(stream, [&](State &s, CUstream) { return s.events.count(event) ? success : CUresult(invalidHandle); });
}

// CU_STREAM_CAPTURE_STATUS_: 0 none, 1 active, 2 invalidated.
CUresult cuStreamIsCapturing(CUstream stream, int *status) {
  return onStream(stream, [&](State &, CUstream own) {
    return store(status, !own || !own->capture ? 0 : own->invalidated ? 2 : 1);
  });
}

CUresult cuStreamBeginCapture_v2(CUstream stream, int mode) {
  return onStream(stream, [&](State &, CUstream own) -> CUresult {
    if (!own || own->capture)
      return captureUnsupported; // the default stream cannot capture
    if (mode < 0 || mode > 2)
      return invalidValue;
    own->capture = std::make_unique<CUgraph_st>();
    own->invalidated = false;
    return success;
  });
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  return onStream(stream, [&](State &s, CUstream own) -> CUresult {
    if (!own || !own->capture)
      return captureUnmatched;
    auto captured = std::move(own->capture);
    if (graph)
      *graph = nullptr;
    if (own->invalidated)
      return captureInvalidated;
    if (!graph)
      return invalidValue;
    *graph = captured.release();
    s.graphs.insert(*graph);
    return success;
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  return guarded([&](State &s) -> CUresult {
    if (!exec || !s.graphs.count(graph))
      return invalidValue;
    *exec = new CUgraphExec_st{graph->nodes};
    s.execs.insert(*exec);
    return success;
  });
}

CUresult cuGraphInstantiate(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
  return cuGraphInstantiateWithFlags(exec, graph, flags);
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  return guarded([&](State &s) -> CUresult {
    if (nodes || !count || !s.graphs.count(graph))
      return nodes ? notSupported : invalidValue;
    return store(count, graph->nodes.size());
  });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return onStream(stream, [&](State &s, CUstream own) -> CUresult {
    if (!s.execs.count(exec))
      return invalidHandle;
    for (const Operation &node : exec->nodes)
      if (const CUresult result = enqueue(s, own, node); result != success)
        return result;
    return success;
  });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return guarded([&](State &s) -> CUresult {
    if (!s.graphs.erase(graph))
      return invalidValue;
    delete graph;
    return success;
  });
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return guarded([&](State &s) -> CUresult {
    if (!s.execs.erase(exec))
      return invalidValue;
    delete exec;
    return success;
  });
}

CUresult cuEventCreate(CUevent *event, unsigned) {
  return guarded([&](State &s) -> CUresult {
    if (!event)
      return invalidValue;
    *event = new CUevent_st;
    s.events.insert(*event);
    return success;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return onEvent(event, [&](State &s) -> CUresult {
    s.events.erase(event);
    delete event;
    return success;
  });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return onEvent(event, [&](State &s) -> CUresult {
    if (!isDefault(stream) && s.streams.count(stream) && stream->capture)
      return success; // inside a capture it orders nothing that is not ordered
    event->recorded = true;
    event->time = std::chrono::steady_clock::now();
    return success;
  });
}

CUresult cuEventQuery(CUevent event) {
  return onEvent(event, [](State &) -> CUresult { return success; });
}
CUresult cuEventSynchronize(CUevent event) { return cuEventQuery(event); }

CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  return onEvent(from, [&](State &s) -> CUresult {
    if (!s.events.count(to) || !from->recorded || !to->recorded)
      return invalidHandle;
    return store(milliseconds, std::chrono::duration<float, std::milli>(to->time - from->time).count());
  });
}
}
