/* The kernels of one instruction set and one type. */
static const FG_TABLE_TYPE FG(table) = {
    {FG(sigmoid_value), FG(tanh_value), FG(relu_value), FG(leaky_relu_value), FG(elu_value)},
    {FG(sigmoid_slope), FG(tanh_slope), FG(relu_slope), FG(leaky_relu_slope), FG(elu_slope)},
    {FG(sigmoid_both), FG(tanh_both), FG(relu_both), FG(leaky_relu_both), FG(elu_both)},
    FG(exponential),
    FG(network),
    FG(train),
    FG(fill),
    FG(dense_forward),
    FG(dense_backward),
    FG(dense_scratch),
    FG(multiply_add),
    FG_WIDTH,
};
