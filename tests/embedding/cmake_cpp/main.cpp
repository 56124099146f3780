// activate NUMBER < z > y_and_d: float64 pre-activations in, phi(z) and then phi'(z) out; NUMBER as in fastgrad/abi.h.
#include <fastgrad/fastgrad.h>
#include <cstdlib>
#include <iostream>
#include <vector>

int main(int argc, char **argv)
{
    const fastgrad_table *const fastgrad = fastgrad_open(nullptr);
    const int activation = argc > 1 ? std::atoi(argv[1]) : FASTGRAD_TANH;
    std::vector<double> z;
    for (double number; std::cin.read(reinterpret_cast<char *>(&number), sizeof number);)
        z.push_back(number);
    std::vector<double> y(z.size()), d(z.size());
    if (fastgrad->value_and_derivative(activation, sizeof(double), z.size(), z.data(), 1, y.data(), d.data())
        != FASTGRAD_OK) {
        std::cerr << "fastgrad " << fastgrad->version << " has no activation " << activation << '\n';
        return 2;
    }
    for (const std::vector<double> *out : {&y, &d})
        std::cout.write(reinterpret_cast<const char *>(out->data()), std::streamsize(out->size() * sizeof(double)));
}
