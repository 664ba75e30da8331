"""What PyTorch has and tallow has not, by name. Programs may import these names, test for them and refer to them in isinstance(); whoever
uses one gets a NotImplementedError that names it. A name that begins with a capital is a class, or an exception if it ends in Error."""

import functools
import sys

NAMES = {
    "": """AcceleratorError AggregationType DispatchKey ScriptClass ScriptFunction SymBool SymFloat SymInt Tag cond fork import_ir_module
        import_ir_module_from_buffer merge_type_from_type_comment parse_ir parse_schema parse_type_comment unify_type_list wait
        while_loop""",
    "ao.quantization": """DeQuantStub FakeQuantize FakeQuantizeBase FixedQParamsFakeQuantize HistogramObserver MinMaxObserver
        MovingAverageMinMaxObserver MovingAveragePerChannelMinMaxObserver NoopObserver ObserverBase PerChannelMinMaxObserver
        PlaceholderObserver QConfig QConfigMapping QuantStub QuantWrapper RecordingObserver convert default_observer fuse_modules
        fuse_modules_qat get_default_qat_qconfig get_default_qconfig get_default_qconfig_mapping prepare prepare_qat
        propagate_qconfig_ quantize quantize_dynamic quantize_qat swap_module""",
    "distributions": """CatTransform ContinuousBernoulli CorrCholeskyTransform CumulativeDistributionTransform FisherSnedecor
        GeneralizedPareto HalfCauchy InverseGamma Kumaraswamy LKJCholesky LogisticNormal LowRankMultivariateNormal Pareto
        PositiveDefiniteTransform ReshapeTransform StackTransform VonMises Weibull Wishart biject_to transform_to""",
    "compiler": """assume_constant_result get_default_backend load_cache_artifacts load_compiled_function nested_compile_region
        save_cache_artifacts set_default_backend substitute_in_graph wrap_numpy""",
    "cuda": """CUDAGraph CUDAPluggableAllocator GreenContext MemPool caching_allocator_alloc caching_allocator_delete
        caching_allocator_enable change_current_allocator clock_rate cudart current_blas_handle current_solver_handle
        device_memory_used get_per_process_memory_fraction get_stream_from_external graph graph_pool_handle host_memory_stats
        host_memory_stats_as_nested_dict list_gpu_processes make_graphed_callables memory_usage power_draw
        set_per_process_memory_fraction temperature use_mem_pool utilization""",
    "distributed": """AllToAllOptions AllreduceCoalescedOptions AllreduceOptions Backend BackendConfig BarrierOptions BroadcastOptions
        BuiltinCommHookType DebugLevel DeviceMesh DistBackendError DistError DistNetworkError DistStoreError FileStore GatherOptions
        GradBucket GroupName HashStore Logger P2POp PrefixStore ProcessGroup ProcessGroupGloo QueueEmptyError ReduceOptions
        ReduceScatterOptions Reducer ScatterOptions Store TCPStore Work all_gather all_gather_coalesced all_gather_into_tensor
        all_gather_object all_gather_single all_reduce all_reduce_coalesced all_to_all all_to_all_single barrier batch_isend_irecv
        breakpoint broadcast broadcast_object_list destroy_process_group gather gather_object get_backend get_backend_config
        get_debug_level get_default_backend_for_device get_global_rank get_group_rank get_node_local_rank get_pg_count
        get_process_group_ranks init_device_mesh init_process_group irecv isend monitored_barrier new_group new_subgroups
        new_subgroups_by_enumeration record_comm recv recv_object_list reduce reduce_scatter reduce_scatter_single
        reduce_scatter_tensor register_rendezvous_handler rendezvous scatter scatter_object_list send send_object_list
        set_debug_level set_debug_level_from_env shrink_group split_group supports_complex""",
    "export": """AdditionalInputs Constraint CustomDecompTable Dim ExportBackwardSignature ExportGraphSignature ExportedProgram
        FlatArgsAdapter ModuleCallEntry ModuleCallSignature ShapesCollection UnflattenedModule default_decompositions dims
        draft_export export load register_dataclass save unflatten""",
    "fx": """Graph GraphModule Interpreter Node Proxy Tracer Transformer has_side_effect map_arg replace_pattern symbolic_trace
        wrap""",
    "jit": """Attribute CompilationUnit Future ScriptFunction enable_onednn_fusion export_opnames fork freeze interface load
        optimize_for_inference save set_fusion_strategy strict_fusion wait""",
    "library": """Library custom_op define fallthrough_kernel get_ctx get_kernel impl impl_abstract infer_schema register_autocast
        register_fake register_torch_dispatch register_vmap triton_op wrap_triton""",
    "nested": "as_nested_tensor masked_select narrow nested_tensor nested_tensor_from_jagged to_padded_tensor",
    "onnx": "ExportableModule InputObserver ONNXProgram OnnxExporterError export",
    "profiler": "ExecutionTraceObserver",
    "overrides": """get_default_nowrap_functions get_ignored_functions get_overridable_functions get_testing_overrides redispatch_function
        resolve_name""",
    "sparse": """SparseSemiStructuredTensor SparseSemiStructuredTensorCUSPARSELT SparseSemiStructuredTensorCUTLASS
        spsolve to_sparse_semi_structured""",
    "utils.data": "DFIterDataPipe DataChunk IterDataPipe MapDataPipe",
}


def refuse(name):
    """The error of using torch.`name`."""
    return NotImplementedError(f"torch.{name.lstrip('.')} is not implemented in tallow")


def _function(name):
    def absent(*args, **kwargs):
        raise refuse(name)

    absent._absent = True
    absent.__name__ = absent.__qualname__ = name.rpartition(".")[2]
    absent.__doc__ = "Not implemented in tallow."
    return absent


def _class(name):
    def __new__(cls, *args, **kwargs):
        raise refuse(name)

    return type(name.rpartition(".")[2], (object,), {"__new__": __new__, "_absent": True, "__doc__": "Not implemented in tallow."})


@functools.cache
def names(module):
    """The absent names of torch.`module`."""
    return frozenset(NAMES[module].split())


def placeholder(module, name):
    """What stands for an absent name of torch.`module`; None if PyTorch has no such name either."""
    if name not in names(module):
        return None
    path = f"{module}.{name}"
    if name.endswith("Error"):
        made = type(name, (RuntimeError,), {"__doc__": "Nothing in tallow raises it."})
    else:
        made = _class(path) if name[0].isupper() else _function(path)
    made.__module__ = f"torch.{module}".rstrip(".")
    return made


def getters(module_name):
    """(__getattr__, __dir__) for a module of tallow with absent names."""
    module = module_name.partition(".")[2]

    def __getattr__(name):
        value = placeholder(module, name)
        if value is None:
            from tallow._missing import no_attribute

            raise no_attribute(module_name, name)
        setattr(sys.modules[module_name], name, value)
        return value

    def __dir__():
        return sorted({*vars(sys.modules[module_name]), *names(module)})

    return __getattr__, __dir__
