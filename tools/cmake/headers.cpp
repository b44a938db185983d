// Nothing: this file is there for the headers that are compiled before it (KvccTargets.cmake).
